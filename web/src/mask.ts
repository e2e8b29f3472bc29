// The mask: one byte for each pixel of the picture, 0 known, 255 hole. Every change is an edit that can be undone.

import { type Rect, fromEdges, growRect, intersect, isEmpty, union } from "./geometry.js";
import { pack, unpack } from "./packing.js";

/** Side of the squares in which changes are kept. */
export const MASK_TILE = 256;

export interface Point {
    x: number;
    y: number;
}

/** What changed in one square: its number, and its packed bytes before and after. */
export interface TileEdit {
    tile: number;
    before: Uint8Array;
    after: Uint8Array;
}

export class Mask {
    readonly data: Uint8Array<ArrayBuffer>;
    /** Squares as they were when the edit began. */
    private touched: Map<number, Uint8Array> | null = null;
    /** Outside of this nothing is marked, so nobody has to look there. */
    private touchedSinceEmpty: Rect = fromEdges(0, 0, 0, 0);
    private readonly columns: number;

    constructor(
        readonly width: number,
        readonly height: number,
        private readonly changed: (rect: Rect) => void,
    ) {
        this.data = new Uint8Array(width * height);
        this.columns = Math.ceil(width / MASK_TILE);
    }

    get rect(): Rect {
        return { x: 0, y: 0, width: this.width, height: this.height };
    }

    /** Whether nothing was marked since nothing was. */
    get isUntouched(): boolean {
        return isEmpty(this.touchedSinceEmpty);
    }

    /** Begin an edit: what is changed until `end` is undone in one step. */
    begin(): void {
        this.touched ??= new Map();
    }

    /** End the edit. Returns what changed, and nothing where it comes to nothing. */
    end(): TileEdit[] {
        const edits: TileEdit[] = [];
        for (const [tile, old] of this.touched ?? []) {
            const before = pack(old);
            const after = pack(this.readTile(tile));
            if (before.length !== after.length || before.some((byte, index) => byte !== after[index])) {
                edits.push({ tile, before, after });
            }
        }
        this.touched = null;
        return edits;
    }

    /** Put one side of edits into the mask. */
    restore(edits: readonly TileEdit[], sideOf: "before" | "after"): void {
        for (const edit of edits) {
            const rect = this.tileRect(edit.tile);
            const bytes = unpack(edit[sideOf], rect.width * rect.height);
            this.touchedSinceEmpty = union(this.touchedSinceEmpty, rect);
            for (let row = 0; row < rect.height; row += 1) {
                const from = row * rect.width;
                this.data.set(bytes.subarray(from, from + rect.width), (rect.y + row) * this.width + rect.x);
            }
            this.changed(rect);
        }
    }

    /** A copy of a rectangle. */
    crop(rect: Rect): Uint8Array<ArrayBuffer> {
        const copy = new Uint8Array(rect.width * rect.height);
        for (let row = 0; row < rect.height; row += 1) {
            const begin = (rect.y + row) * this.width + rect.x;
            copy.set(this.data.subarray(begin, begin + rect.width), row * rect.width);
        }
        return copy;
    }

    /** The bounds of what is marked inside of a rectangle, or null. */
    occupied = (rect: Rect): Rect | null => {
        const { data, width } = this;
        const looked = intersect(rect, this.touchedSinceEmpty);
        let [left, top, right, bottom] = [width, -1, -1, -1];
        for (let y = looked.y; y < looked.y + looked.height; y += 1) {
            const begin = y * width;
            const [first, last] = span(data, begin + looked.x, begin + looked.x + looked.width);
            if (first >= 0) {
                left = Math.min(left, first - begin);
                right = Math.max(right, last - begin);
                top = top < 0 ? y : top;
                bottom = y;
            }
        }
        return top < 0 ? null : fromEdges(left, top, right + 1, bottom + 1);
    };

    /** The bounds of everything that is marked, or null. */
    bounds(): Rect | null {
        const found = this.occupied(this.rect);
        this.touchedSinceEmpty = found ?? fromEdges(0, 0, 0, 0);
        return found;
    }

    /** How many pixels of a rectangle are marked here and not in another mask of the same size. */
    countBeside(rect: Rect, other: Mask): number {
        let count = 0;
        for (let y = rect.y; y < rect.y + rect.height; y += 1) {
            for (let index = y * this.width + rect.x; index < y * this.width + rect.x + rect.width; index += 1) {
                count += Number(this.data[index] !== 0 && other.data[index] === 0);
            }
        }
        return count;
    }

    /** Set every value at once, beside all edits. */
    set(bytes: ArrayLike<number>): void {
        this.data.set(bytes);
        this.touchedSinceEmpty = this.rect;
    }

    /** A round brush drawn along a line. `value`: 255 marks, 0 erases. */
    stroke(from: Point, to: Point, radius: number, value: number): void {
        const dx = to.x - from.x;
        const dy = to.y - from.y;
        const length = dx * dx + dy * dy;
        const box = this.boxOf([from, to], radius);
        if (isEmpty(box)) {
            return;
        }
        this.touch(box);
        const limit = Math.max(radius, 0.5) ** 2;
        for (let y = box.y; y < box.y + box.height; y += 1) {
            const py = y + 0.5 - from.y;
            const begin = y * this.width;
            for (let x = box.x; x < box.x + box.width; x += 1) {
                const px = x + 0.5 - from.x;
                const along = length === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length));
                const ex = px - along * dx;
                const ey = py - along * dy;
                if (ex * ex + ey * ey <= limit) {
                    this.data[begin + x] = value;
                }
            }
        }
        this.changed(box);
    }

    /** All that an outline encloses, by the even-odd rule. */
    polygon(points: readonly Point[], value: number): void {
        const box = this.boxOf(points, 0);
        if (points.length < 3 || isEmpty(box)) {
            return;
        }
        this.touch(box);
        for (let y = box.y; y < box.y + box.height; y += 1) {
            const crossings: number[] = [];
            points.forEach((one, index) => {
                const other = points[(index + 1) % points.length] as Point;
                if (one.y <= y + 0.5 !== other.y <= y + 0.5) {
                    crossings.push(one.x + ((y + 0.5 - one.y) * (other.x - one.x)) / (other.y - one.y));
                }
            });
            crossings.sort((a, b) => a - b);
            for (let index = 0; index + 1 < crossings.length; index += 2) {
                const left = Math.max(0, Math.ceil((crossings[index] as number) - 0.5));
                const right = Math.min(this.width, Math.ceil((crossings[index + 1] as number) - 0.5));
                if (right > left) {
                    this.data.fill(value, y * this.width + left, y * this.width + right);
                }
            }
        }
        this.changed(box);
    }

    rectangle(rect: Rect, value: number): void {
        const box = intersect(rect, this.rect);
        this.touch(box);
        for (let y = box.y; y < box.y + box.height; y += 1) {
            this.data.fill(value, y * this.width + box.x, y * this.width + box.x + box.width);
        }
        this.changed(box);
    }

    clear(): void {
        const marked = this.bounds();
        if (marked !== null) {
            this.rectangle(marked, 0);
        }
    }

    invert(): void {
        this.touch(this.rect);
        for (let index = 0; index < this.data.length; index += 1) {
            this.data[index] = 255 - (this.data[index] as number);
        }
        this.changed(this.rect);
    }

    /** Mark everything within so many pixels of what is marked, or with a negative number take that off its edge. */
    grow(pixels: number): void {
        const marked = this.bounds();
        if (marked === null || pixels === 0) {
            return;
        }
        const reach = Math.abs(pixels);
        const box = intersect(growRect(marked, reach), this.rect);
        this.touch(box);
        const source = this.crop(box);
        const inside = pixels > 0;
        const near = within(source, box.width, box.height, reach, inside);
        for (let row = 0; row < box.height; row += 1) {
            const begin = (box.y + row) * this.width + box.x;
            for (let column = 0; column < box.width; column += 1) {
                if (near[row * box.width + column]) {
                    this.data[begin + column] = inside ? 255 : 0;
                }
            }
        }
        this.changed(box);
    }

    /** Mark what is marked in a rectangle's bytes. */
    add(rect: Rect, bytes: Uint8Array): void {
        this.touch(rect);
        for (let row = 0; row < rect.height; row += 1) {
            const to = (rect.y + row) * this.width + rect.x;
            for (let column = 0; column < rect.width; column += 1) {
                const value = bytes[row * rect.width + column] as number;
                this.data[to + column] = Math.max(this.data[to + column] as number, value);
            }
        }
        this.changed(rect);
    }

    private boxOf(points: readonly Point[], margin: number): Rect {
        const xs = points.map((point) => point.x);
        const ys = points.map((point) => point.y);
        const left = xs.reduce((a, b) => Math.min(a, b));
        const right = xs.reduce((a, b) => Math.max(a, b));
        const top = ys.reduce((a, b) => Math.min(a, b));
        const bottom = ys.reduce((a, b) => Math.max(a, b));
        const around = margin + 1;
        const box = fromEdges(
            Math.floor(left - around),
            Math.floor(top - around),
            Math.ceil(right + around),
            Math.ceil(bottom + around),
        );
        return intersect(box, this.rect);
    }

    /** Keep the squares of a rectangle as they are, once in an edit. */
    private touch(rect: Rect): void {
        const touched = this.touched;
        this.touchedSinceEmpty = union(this.touchedSinceEmpty, rect);
        if (touched === null || isEmpty(rect)) {
            return;
        }
        const lastRow = Math.floor((rect.y + rect.height - 1) / MASK_TILE);
        const lastColumn = Math.floor((rect.x + rect.width - 1) / MASK_TILE);
        for (let row = Math.floor(rect.y / MASK_TILE); row <= lastRow; row += 1) {
            for (let column = Math.floor(rect.x / MASK_TILE); column <= lastColumn; column += 1) {
                const tile = row * this.columns + column;
                if (!touched.has(tile)) {
                    touched.set(tile, this.readTile(tile));
                }
            }
        }
    }

    private tileRect(tile: number): Rect {
        const column = tile % this.columns;
        const row = Math.floor(tile / this.columns);
        const square = { x: column * MASK_TILE, y: row * MASK_TILE, width: MASK_TILE, height: MASK_TILE };
        return intersect(square, this.rect);
    }

    private readTile(tile: number): Uint8Array {
        return this.crop(this.tileRect(tile));
    }
}

/** The first and the last index that is not 0, from `begin` up to `end`; -1 where all is. */
export function span(bytes: Uint8Array, begin: number, end: number): [number, number] {
    let first = begin;
    while (first < end && bytes[first] === 0) {
        first += 1;
    }
    if (first === end) {
        return [-1, -1];
    }
    let last = end - 1;
    while (bytes[last] === 0) {
        last -= 1;
    }
    return [first, last];
}

/**
 * Where something is within a distance. `marked` says whether of what is marked or of what is not. Exact
 * distances, in two passes (Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions, 2012).
 */
function within(mask: Uint8Array, width: number, height: number, reach: number, marked: boolean): Uint8Array {
    const far = 1e6;
    const down = new Float64Array(width * height);
    for (let x = 0; x < width; x += 1) {
        let distance = far;
        for (let y = 0; y < height; y += 1) {
            distance = (mask[y * width + x] as number) >= 128 === marked ? 0 : distance + 1;
            down[y * width + x] = distance;
        }
        distance = far;
        for (let y = height - 1; y >= 0; y -= 1) {
            distance = (mask[y * width + x] as number) >= 128 === marked ? 0 : distance + 1;
            down[y * width + x] = Math.min(down[y * width + x] as number, distance);
        }
    }
    const near = new Uint8Array(width * height);
    const limit = reach * reach;
    for (let y = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) {
            const vertical = down[y * width + x] as number;
            if (vertical > reach) {
                continue;
            }
            // Every column reaches so far to both sides.
            const half = Math.floor(Math.sqrt(limit - vertical * vertical));
            const begin = y * width + Math.max(0, x - half);
            near.fill(1, begin, y * width + Math.min(width, x + half + 1));
        }
    }
    return near;
}
