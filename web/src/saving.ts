// What can be saved, as files that the browser downloads.

import { element, offscreen } from "./dom.js";
import type { Picture } from "./picture.js";
import { encodePng } from "./png.js";
import type { Raster } from "./raster.js";
import { _ } from "./text.js";

export type Kind = "png" | "jpeg" | "webp" | "layer" | "mask";

/** A side that browsers' canvases, which write JPEG and WebP, still have. */
const MAX_CANVAS_SIDE = 16384;
const JPEG_QUALITY = 0.95;

export class SaveError extends Error {}

/** Make a file of a picture. */
export async function encode(picture: Picture, kind: Kind): Promise<Blob> {
    const { raster, mask } = picture;
    const { width, height } = raster;
    if (kind === "mask") {
        return encodePng(width, height, 1, (y, into) => into.set(mask.data.subarray(y * width, (y + 1) * width)));
    }
    if (kind === "layer") {
        const layer = fillLayer(picture);
        return encodePng(width, height, 4, (y, into) => into.set(layer.subarray(y * width * 4, (y + 1) * width * 4)));
    }
    if (kind === "png") {
        return raster.opaque
            ? encodePng(width, height, 3, (y, into) => opaqueRow(raster, y, into))
            : encodePng(width, height, 4, (y, into) => {
                  into.set(raster.data.subarray(y * width * 4, (y + 1) * width * 4));
              });
    }
    return encodeByCanvas(raster, kind);
}

function opaqueRow(raster: Raster, y: number, into: Uint8Array): void {
    for (let from = y * raster.width * 4, to = 0; to < into.length; from += 4, to += 3) {
        into[to] = raster.data[from] as number;
        into[to + 1] = raster.data[from + 1] as number;
        into[to + 2] = raster.data[from + 2] as number;
    }
}

async function encodeByCanvas(raster: Raster, kind: "jpeg" | "webp"): Promise<Blob> {
    const { width, height } = raster;
    if (Math.max(width, height) > MAX_CANVAS_SIDE) {
        throw new SaveError(_("The picture is too large for this kind of file in a browser: save it as PNG."));
    }
    const context = offscreen(width, height);
    context.putImageData(new ImageData(raster.data, width, height), 0, 0);
    if (kind === "jpeg" && !raster.opaque) {
        context.globalCompositeOperation = "destination-over";
        context.fillStyle = "white";
        context.fillRect(0, 0, width, height);
    }
    // WebP of quality 1 is lossless where browsers can write that at all.
    const quality = kind === "webp" ? 1 : JPEG_QUALITY;
    const blob = await context.canvas.convertToBlob({ type: `image/${kind}`, quality });
    if (blob.type !== `image/${kind}`) {
        throw new SaveError(_("This browser cannot write this kind of file: save the picture as PNG."));
    }
    return blob;
}

/** The fills alone, on nothing. */
function fillLayer(picture: Picture): Uint8ClampedArray {
    const { width, height } = picture.raster;
    const layer = new Uint8ClampedArray(width * height * 4);
    for (const { rect, pixels, blend } of picture.history.patches()) {
        const channels = pixels.length / Math.max(1, blend.length);
        for (let index = 0; index < blend.length; index += 1) {
            const b = (blend[index] as number) / 255;
            if (b === 0) {
                continue;
            }
            const from = index * channels;
            const to = ((rect.y + Math.floor(index / rect.width)) * width + rect.x + (index % rect.width)) * 4;
            const below = (layer[to + 3] as number) / 255;
            const alpha = b + below * (1 - b);
            for (let channel = 0; channel < 3; channel += 1) {
                const fill = pixels[from + channel] as number;
                layer[to + channel] = Math.round((fill * b + (layer[to + channel] as number) * below * (1 - b)) / alpha);
            }
            layer[to + 3] = Math.round(alpha * 255);
        }
    }
    return layer;
}

const ENDINGS: Record<Kind, string> = {
    png: "-filled.png",
    jpeg: "-filled.jpg",
    webp: "-filled.webp",
    layer: "-fill.png",
    mask: "-mask.png",
};

/** Have the browser save a file under the picture's name. Returns the file's name. */
export function download(blob: Blob, name: string, kind: Kind): string {
    const file = name.replace(/\.\w{1,5}$/, "") + ENDINGS[kind];
    const address = URL.createObjectURL(blob);
    const link = element("a", { href: address, download: file });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    return file;
}
