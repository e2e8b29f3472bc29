// Masks from files: what is bright, or what is painted on nothing.

import { offscreen } from "./dom.js";
import { type Raster, PictureError, decode } from "./raster.js";
import { _ } from "./text.js";

/** A background brighter than this is not black. */
const DARK = 16;

export interface LoadedMask {
    data: Uint8Array;
    /** Whether the file had another size than the picture. */
    scaled: boolean;
}

/** Read a mask for a picture of a size. */
export async function loadMask(blob: Blob, width: number, height: number): Promise<LoadedMask> {
    const raster = await decode(blob);
    const data = marked(raster);
    if (raster.width === width && raster.height === height) {
        return { data, scaled: false };
    }
    return { data: scale(data, raster.width, raster.height, width, height), scaled: true };
}

function marked(raster: Raster): Uint8Array {
    const { data } = raster;
    const mask = new Uint8Array(raster.width * raster.height);
    if (!raster.opaque && hasHoles(data)) {
        for (let index = 0; index < mask.length; index += 1) {
            mask[index] = data[index * 4 + 3] as number;
        }
        return mask;
    }
    let darkest = 255;
    for (let index = 0; index < mask.length; index += 1) {
        const at = index * 4;
        const value = Math.max(data[at] as number, data[at + 1] as number, data[at + 2] as number);
        mask[index] = value;
        darkest = Math.min(darkest, value);
    }
    if (darkest > DARK) {
        throw new PictureError(_("The mask has no black background: make black what should stay."));
    }
    return mask;
}

function hasHoles(data: Uint8ClampedArray): boolean {
    for (let index = 3; index < data.length; index += 4) {
        if (data[index] === 0) {
            return true;
        }
    }
    return false;
}

function scale(mask: Uint8Array, width: number, height: number, toWidth: number, toHeight: number): Uint8Array {
    const image = new ImageData(width, height);
    for (let index = 0; index < mask.length; index += 1) {
        image.data[index * 4 + 3] = mask[index] as number;
    }
    const small = offscreen(width, height);
    small.putImageData(image, 0, 0);
    const large = offscreen(toWidth, toHeight, true);
    large.drawImage(small.canvas, 0, 0, toWidth, toHeight);
    const pixels = large.getImageData(0, 0, toWidth, toHeight).data;
    return Uint8Array.from({ length: toWidth * toHeight }, (_value, index) => pixels[index * 4 + 3] as number);
}
