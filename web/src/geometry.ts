// Rectangles, and which part of a picture is sent for a hole: what lama_core/client/geometry.py and selection.py
// decide, decided alike. A test holds the two against each other.

import type { Sizes } from "./declaration.js";

export interface Rect {
    x: number;
    y: number;
    width: number;
    height: number;
}

export type Context = "auto" | "whole" | number;

/** What is sent at once, and the part of it that the answer is taken for. */
export interface Piece {
    window: Rect;
    written: Rect;
}

export interface WindowOptions {
    grow: number | null;
    feather: number | null;
    context: Context;
}

/** Where a mask is not 0: gives the bounds of that in a rectangle, or null. */
export type Occupied = (rect: Rect) => Rect | null;

export function area(rect: Rect): number {
    return rect.width * rect.height;
}

export function isEmpty(rect: Rect): boolean {
    return rect.width <= 0 || rect.height <= 0;
}

export function fromEdges(left: number, top: number, right: number, bottom: number): Rect {
    return { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
}

export function intersect(one: Rect, other: Rect): Rect {
    const x = Math.max(one.x, other.x);
    const y = Math.max(one.y, other.y);
    return fromEdges(
        x,
        y,
        Math.min(one.x + one.width, other.x + other.width),
        Math.min(one.y + one.height, other.y + other.height),
    );
}

export function union(one: Rect, other: Rect): Rect {
    if (isEmpty(one)) {
        return other;
    }
    if (isEmpty(other)) {
        return one;
    }
    return fromEdges(
        Math.min(one.x, other.x),
        Math.min(one.y, other.y),
        Math.max(one.x + one.width, other.x + other.width),
        Math.max(one.y + one.height, other.y + other.height),
    );
}

export function growRect(rect: Rect, pixels: number): Rect {
    return {
        x: rect.x - pixels,
        y: rect.y - pixels,
        width: Math.max(0, rect.width + 2 * pixels),
        height: Math.max(0, rect.height + 2 * pixels),
    };
}

function side(hole: Rect): number {
    return Math.floor(Math.sqrt(Math.max(1, area(hole))));
}

/** Python's round: halves go to the even number. */
function roundEven(value: number): number {
    const floor = Math.floor(value);
    const rest = value - floor;
    if (rest === 0.5) {
        return floor % 2 === 0 ? floor : floor + 1;
    }
    return Math.round(value);
}

function clamp(value: number, low: number, high: number): number {
    return Math.min(high, Math.max(low, value));
}

/** What a fill may be copied from. `count`: how many pixels of a rectangle; what is in the hole may not. */
export interface Source {
    bounds: Rect;
    count: (rect: Rect) => number;
}

/** A window with as much of its source as its hole is large, or all. */
function seeing(window: PlannedWindow, source: Source): Rect {
    const enough = Math.min(source.count(source.bounds), area(window.hole));
    return source.count(intersect(window.rect, source.bounds)) >= enough ? window.rect : union(window.rect, source.bounds);
}

/** Plans the windows for holes in a canvas. */
export class Planner {
    constructor(
        private readonly sizes: Sizes,
        private readonly canvas: Rect,
        private readonly options: WindowOptions,
    ) {}

    /**
     * The pieces to send for the mask inside of `bounds`; none where it is 0 everywhere. `source`: what may be copied
     * into it; all of it that they need is in them.
     */
    plan(bounds: Rect, occupied: Occupied, source: Source | null = null): Piece[] {
        const whole = intersect(bounds, this.canvas);
        if (isEmpty(whole)) {
            return [];
        }
        const around = this.contextWindow(whole, this.options.grow ?? 0, this.options.feather ?? 0);
        let holes: Rect[];
        if (area(around) > this.sizes.onePiece) {
            holes = this.parts(whole, occupied);
        } else {
            const tight = occupied(whole);
            holes = tight === null ? [] : [tight];
        }
        return this.planWindows(holes).map((window) => ({
            window: source === null ? window.rect : seeing(window, source),
            written: window.written,
        }));
    }

    /** What the network has to see of the canvas for a hole. */
    contextWindow(hole: Rect, grow: number, feather: number): Rect {
        const { sizes, canvas } = this;
        const context = this.options.context;
        if (context === "whole") {
            return canvas;
        }
        let width: number;
        let height: number;
        if (context === "auto") {
            const margin = clamp(
                roundEven(sizes.marginShare * (side(hole) + 2 * grow)),
                sizes.minMargin,
                sizes.maxMargin,
            );
            const around = grow + Math.max(feather, margin);
            width = this.stepped(Math.max(sizes.minWindow, hole.width + 2 * around));
            height = this.stepped(Math.max(sizes.minWindow, hole.height + 2 * around));
        } else {
            const around = grow + Math.max(context, feather, sizes.minContext);
            width = hole.width + 2 * around;
            height = hole.height + 2 * around;
        }
        const [x, placedWidth] = placed(hole.x, hole.x + hole.width, width, canvas.x, canvas.x + canvas.width);
        const [y, placedHeight] = placed(hole.y, hole.y + hole.height, height, canvas.y, canvas.y + canvas.height);
        return { x, y, width: placedWidth, height: placedHeight };
    }

    private stepped(length: number): number {
        return Math.ceil(length / this.sizes.windowStep) * this.sizes.windowStep;
    }

    private planned(holes: Rect[]): PlannedWindow {
        const { sizes, options } = this;
        const hole = holes.reduce(union);
        const grow =
            options.grow ??
            Math.max(...holes.map((each) => clamp(roundEven(0.4 * Math.sqrt(side(each))), sizes.minGrow, sizes.maxGrow)));
        const feather =
            options.feather ??
            Math.max(
                ...holes.map((each) => clamp(roundEven(0.3 * Math.sqrt(side(each))), sizes.minFeather, sizes.maxFeather)),
            );
        const rect = this.contextWindow(hole, grow, feather);
        return { holes, hole, rect, written: intersect(growRect(hole, grow + feather), this.canvas) };
    }

    /** Holes are put into one window where that is less work, or where what they write meets. */
    planWindows(holes: Rect[]): PlannedWindow[] {
        if (holes.length === 0) {
            return [];
        }
        if (this.options.context === "whole") {
            return [this.planned(holes)];
        }
        const windows = new Map<number, PlannedWindow>();
        holes.forEach((hole, number) => windows.set(number, this.planned([hole])));
        const gains = new Map<string, { one: number; other: number; gain: number; both: PlannedWindow }>();
        const weigh = (one: number, other: number): void => {
            const first = windows.get(one) as PlannedWindow;
            const second = windows.get(other) as PlannedWindow;
            const both = this.planned([...first.holes, ...second.holes]);
            let gain = area(first.rect) + area(second.rect) + this.sizes.windowOverhead - area(both.rect);
            if (!isEmpty(intersect(first.written, second.written))) {
                gain = Infinity;
            }
            if (gain > 0) {
                gains.set(`${one},${other}`, { one, other, gain, both });
            }
        };
        const numbers = [...windows.keys()];
        numbers.forEach((one, index) => {
            for (const other of numbers.slice(index + 1)) {
                weigh(one, other);
            }
        });
        let number = numbers.length;
        while (gains.size > 0) {
            let best: { one: number; other: number; gain: number; both: PlannedWindow } | undefined;
            for (const each of gains.values()) {
                if (
                    best === undefined ||
                    each.gain > best.gain ||
                    (each.gain === best.gain &&
                        (each.one > best.one || (each.one === best.one && each.other > best.other)))
                ) {
                    best = each;
                }
            }
            const { one, other, both } = best as NonNullable<typeof best>;
            for (const [key, each] of gains) {
                if ([each.one, each.other].some((old) => old === one || old === other)) {
                    gains.delete(key);
                }
            }
            windows.delete(one);
            windows.delete(other);
            windows.set(number, both);
            for (const old of windows.keys()) {
                if (old !== number) {
                    weigh(old, number);
                }
            }
            number += 1;
        }
        return [...windows.values()].sort((a, b) => a.hole.y - b.hole.y || a.hole.x - b.hole.x);
    }

    /** The bounds of each separate hole, from the top left. */
    parts(bounds: Rect, occupied: Occupied): Rect[] {
        const tight = occupied(bounds);
        if (tight === null) {
            return [];
        }
        let cellSide = this.sizes.cell;
        let cells = new Set<string>();
        for (let row = 0; row * cellSide < tight.height; row += 1) {
            for (let column = 0; column * cellSide < tight.width; column += 1) {
                if (occupied(cellRect(tight, column, row, cellSide)) !== null) {
                    cells.add(`${column},${row}`);
                }
            }
        }
        let groups = joined(cells);
        while (groups.length > this.sizes.maxParts) {
            cellSide *= 2;
            cells = new Set([...cells].map((cell) => cell.split(",").map((each) => Number(each) >> 1).join(",")));
            groups = joined(cells);
        }
        const holes = groups.map((group) =>
            group
                .map(([column, row]) => occupied(cellRect(tight, column, row, cellSide)) ?? fromEdges(0, 0, 0, 0))
                .reduce(union),
        );
        return holes.sort((a, b) => a.y - b.y || a.x - b.x);
    }
}

export interface PlannedWindow {
    holes: Rect[];
    hole: Rect;
    rect: Rect;
    written: Rect;
}

function placed(start: number, end: number, length: number, low: number, high: number): [number, number] {
    const cut = Math.min(length, high - low);
    const begin = start - Math.floor((cut - (end - start)) / 2);
    return [Math.min(Math.max(begin, low), high - cut), cut];
}

function cellRect(tight: Rect, column: number, row: number, cellSide: number): Rect {
    const cell = { x: tight.x + column * cellSide, y: tight.y + row * cellSide, width: cellSide, height: cellSide };
    return intersect(cell, tight);
}

/** The groups of cells that touch, corners included. */
function joined(cells: Set<string>): [number, number][][] {
    const left = new Set(cells);
    const groups: [number, number][][] = [];
    for (const first of cells) {
        if (!left.delete(first)) {
            continue;
        }
        const waiting = [first];
        const group: [number, number][] = [];
        for (let cell = waiting.pop(); cell !== undefined; cell = waiting.pop()) {
            const [x, y] = cell.split(",").map(Number) as [number, number];
            group.push([x, y]);
            for (let dy = -1; dy <= 1; dy += 1) {
                for (let dx = -1; dx <= 1; dx += 1) {
                    const near = `${x + dx},${y + dy}`;
                    if (left.delete(near)) {
                        waiting.push(near);
                    }
                }
            }
        }
        groups.push(group);
    }
    return groups;
}
