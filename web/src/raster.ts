// A picture's pixels: 8 bit RGBA, alpha not multiplied in, all in memory at full size.

import { offscreen } from "./dom.js";
import { type Rect, isEmpty } from "./geometry.js";
import { _, format } from "./text.js";

export const MAX_PIXELS = 120_000_000;
/** Beyond this a browser's canvas fails, in one side or in all. */
const STRIP_PIXELS = 1 << 22;

/** A file that cannot be opened; the message says what to do. */
export class PictureError extends Error {}

/** Some of a picture's pixels. `left` and `top` are where they begin in it. */
export interface Region {
    data: Uint8ClampedArray;
    width: number;
    left: number;
    top: number;
}

export class Raster {
    constructor(
        readonly width: number,
        readonly height: number,
        readonly data: Uint8ClampedArray<ArrayBuffer>,
        readonly opaque: boolean,
    ) {}

    get rect(): Rect {
        return { x: 0, y: 0, width: this.width, height: this.height };
    }

    get region(): Region {
        return { data: this.data, width: this.width, left: 0, top: 0 };
    }

    /** A copy of a rectangle, RGBA. */
    crop(rect: Rect): Uint8ClampedArray<ArrayBuffer> {
        const copy = new Uint8ClampedArray(rect.width * rect.height * 4);
        for (let row = 0; row < rect.height; row += 1) {
            const begin = ((rect.y + row) * this.width + rect.x) * 4;
            copy.set(this.data.subarray(begin, begin + rect.width * 4), row * rect.width * 4);
        }
        return copy;
    }

    /** Put RGBA pixels into a rectangle. */
    paste(rect: Rect, pixels: Uint8Array | Uint8ClampedArray): void {
        for (let row = 0; row < rect.height; row += 1) {
            const from = row * rect.width * 4;
            this.data.set(pixels.subarray(from, from + rect.width * 4), ((rect.y + row) * this.width + rect.x) * 4);
        }
    }
}

/** Read a picture file as the browser reads it: upright, and in sRGB. */
export async function decode(blob: Blob): Promise<Raster> {
    let bitmap: ImageBitmap;
    try {
        bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none" });
    } catch {
        throw new PictureError(_("This is no picture that the browser can read: choose a PNG, JPEG or WebP file."));
    }
    try {
        const { width, height } = bitmap;
        if (width * height > MAX_PIXELS) {
            throw new PictureError(
                format("The picture has {count} megapixels, more than the {most} that fit here: open it with “lama-fill fill”.", {
                    count: Math.round(width * height / 1e6),
                    most: MAX_PIXELS / 1e6,
                }),
            );
        }
        const data = await readBitmap(bitmap);
        const opaque = isOpaque(data);
        if (!opaque) {
            readExactly(bitmap, data);
        }
        return new Raster(width, height, data, opaque);
    } finally {
        bitmap.close();
    }
}

async function readBitmap(bitmap: ImageBitmap): Promise<Uint8ClampedArray<ArrayBuffer>> {
    const { width, height } = bitmap;
    const data = new Uint8ClampedArray(width * height * 4);
    const columns = Math.min(width, 8192);
    const rows = Math.max(1, Math.min(height, Math.floor(STRIP_PIXELS / columns)));
    const context = offscreen(columns, rows, true);
    for (let top = 0; top < height; top += rows) {
        const tall = Math.min(rows, height - top);
        for (let left = 0; left < width; left += columns) {
            const wide = Math.min(columns, width - left);
            context.clearRect(0, 0, columns, rows);
            context.drawImage(bitmap, left, top, wide, tall, 0, 0, wide, tall);
            const part = context.getImageData(0, 0, wide, tall).data;
            if (wide === width) {
                data.set(part, top * width * 4);
                continue;
            }
            for (let row = 0; row < tall; row += 1) {
                data.set(part.subarray(row * wide * 4, (row + 1) * wide * 4), ((top + row) * width + left) * 4);
            }
        }
        // Large pictures take a while: let the page show that it works.
        await new Promise((resolve) => setTimeout(resolve));
    }
    return data;
}

function isOpaque(data: Uint8ClampedArray): boolean {
    for (let index = 3; index < data.length; index += 4) {
        if (data[index] !== 255) {
            return false;
        }
    }
    return true;
}

/**
 * Replace the colours of pixels that are partly transparent by the file's own: a canvas multiplies alpha in, and
 * dividing it out again does not give the same values, but a texture keeps them. Where there is no WebGL the
 * canvas's stay, which look the same.
 */
function readExactly(bitmap: ImageBitmap, data: Uint8ClampedArray<ArrayBuffer>): void {
    const { width, height } = bitmap;
    const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
    if (gl === null || Math.max(width, height) > (gl.getParameter(gl.MAX_TEXTURE_SIZE) as number)) {
        return;
    }
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) === gl.FRAMEBUFFER_COMPLETE) {
        const exact = new Uint8Array(data.length);
        gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, exact);
        if (gl.getError() === gl.NO_ERROR) {
            data.set(exact);
        }
    }
    gl.getExtension("WEBGL_lose_context")?.loseContext();
}

/** New pixels of a picture. `blend`: how much of each shows, as docs/protocol.md has it. */
export interface Patch {
    rect: Rect;
    /** RGB or RGBA. */
    pixels: Uint8Array;
    blend: Uint8Array;
    /** What was there, RGBA, while the patch is in the picture. */
    before?: Uint8ClampedArray;
    /** Of a picture from the command line: the fill's name, and its pixels at full depth. */
    name?: string;
    full?: Uint8Array;
}

/** Mix a patch into a picture. */
export function apply(raster: Raster, patch: Patch): void {
    const { rect, pixels, blend } = patch;
    if (isEmpty(rect)) {
        return;
    }
    const before = raster.crop(rect);
    patch.before = before;
    const after = before.slice();
    const channels = pixels.length / blend.length;
    for (let index = 0; index < blend.length; index += 1) {
        const b = (blend[index] as number) / 255;
        if (b === 0) {
            continue;
        }
        const to = index * 4;
        const from = index * channels;
        const a = (before[to + 3] as number) / 255;
        const fillAlpha = channels === 4 ? (pixels[from + 3] as number) / 255 : 1;
        const alpha = a + b * (fillAlpha - a);
        if (alpha <= 0) {
            continue;
        }
        for (let channel = 0; channel < 3; channel += 1) {
            const fill = pixels[from + channel] as number;
            const old = before[to + channel] as number;
            after[to + channel] = Math.round((fill * b * fillAlpha + old * (1 - b) * a) / alpha);
        }
        after[to + 3] = Math.round(alpha * 255);
    }
    raster.paste(rect, after);
}

/** Take a patch out again: the last one that was mixed in, or one that no later one overlaps. */
export function revert(raster: Raster, patch: Patch): void {
    if (patch.before !== undefined) {
        raster.paste(patch.rect, patch.before);
        delete patch.before;
    }
}
