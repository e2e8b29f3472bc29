// How squares of the picture and of the mask are painted at a level.

import { type Rect, fromEdges } from "./geometry.js";
import type { Mask } from "./mask.js";
import type { Region } from "./raster.js";
import type { Painter } from "./tiles.js";

/** At most so many samples are averaged to each side of a pixel that is shown. */
const SAMPLES = 4;

/** Paints pixels; `read` gives at least those of a rectangle. */
export function picturePainter(width: number, height: number, read: (rect: Rect) => Region): Painter {
    return (image, at, step) => {
        const right = Math.min(width, (at.x + at.width) * step);
        const bottom = Math.min(height, (at.y + at.height) * step);
        const source = read(fromEdges(at.x * step, at.y * step, right, bottom));
        const out = image.data;
        if (step === 1) {
            for (let row = 0; row < at.height; row += 1) {
                const begin = ((at.y + row - source.top) * source.width + at.x - source.left) * 4;
                out.set(source.data.subarray(begin, begin + at.width * 4), row * at.width * 4);
            }
            return;
        }
        const stride = Math.max(1, step / SAMPLES);
        for (let row = 0; row < at.height; row += 1) {
            const top = (at.y + row) * step;
            const end = Math.min(bottom, top + step);
            for (let column = 0; column < at.width; column += 1) {
                const left = (at.x + column) * step;
                const far = Math.min(right, left + step);
                let [red, green, blue, alpha, count] = [0, 0, 0, 0, 0];
                for (let y = top; y < end; y += stride) {
                    let index = ((y - source.top) * source.width + left - source.left) * 4;
                    for (let x = left; x < far; x += stride, index += stride * 4) {
                        const a = source.data[index + 3] as number;
                        red += (source.data[index] as number) * a;
                        green += (source.data[index + 1] as number) * a;
                        blue += (source.data[index + 2] as number) * a;
                        alpha += a;
                        count += 1;
                    }
                }
                const to = (row * at.width + column) * 4;
                if (alpha > 0) {
                    out[to] = red / alpha;
                    out[to + 1] = green / alpha;
                    out[to + 2] = blue / alpha;
                    out[to + 3] = alpha / count;
                }
            }
        }
    };
}

/** Paints what is marked, in one colour, and what is being filled. */
export function maskPainter(mask: Mask, colour: () => [number, number, number]): Painter {
    return (image, at, step) => {
        const [red, green, blue] = colour();
        const out = image.data;
        const { data, width, height } = mask;
        for (let row = 0; row < at.height; row += 1) {
            const top = (at.y + row) * step;
            const bottom = Math.min(height, top + step);
            for (let column = 0; column < at.width; column += 1) {
                const left = (at.x + column) * step;
                const right = Math.min(width, left + step);
                let most = 0;
                for (let y = top; y < bottom && most < 255; y += 1) {
                    for (let index = y * width + left; index < y * width + right; index += 1) {
                        most = Math.max(most, data[index] as number);
                    }
                }
                if (most > 0) {
                    const to = (row * at.width + column) * 4;
                    out[to] = red;
                    out[to + 1] = green;
                    out[to + 2] = blue;
                    out[to + 3] = most;
                }
            }
        }
    };
}
