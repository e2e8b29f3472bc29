// What is shown, in squares at halved sizes: only what is seen is made, and only what changed is made again.

import { offscreen } from "./dom.js";
import { type Rect, fromEdges, intersect, isEmpty } from "./geometry.js";

export const TILE = 512;
/** Squares that are kept: 256 of them are 256 MB at most. */
const MAX_TILES = 256;

/** Paints a rectangle of the level's pixels. `step`: how many pixels of the picture, to each side, one of them is. */
export type Painter = (image: ImageData, at: Rect, step: number) => void;

interface Tile {
    context: OffscreenCanvasRenderingContext2D;
    /** What of it has to be painted again, in pixels of its level; null when nothing. */
    stale: Rect | null;
}

export class Tiles {
    private readonly tiles = new Map<string, Tile>();

    constructor(
        private readonly width: number,
        private readonly height: number,
        private readonly paint: Painter,
    ) {}

    /** The level to show at a scale: its pixels are at most twice as many as the screen's. */
    static level(scale: number): number {
        return Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-6));
    }

    /** Forget everything. */
    clear(): void {
        this.tiles.clear();
    }

    /** Note that pixels of the picture have changed. */
    invalidate(rect: Rect): void {
        for (const [key, tile] of this.tiles) {
            const [level, column, row] = key.split(",").map(Number) as [number, number, number];
            const step = 2 ** level;
            const changed = fromEdges(
                Math.floor(rect.x / step),
                Math.floor(rect.y / step),
                Math.ceil((rect.x + rect.width) / step),
                Math.ceil((rect.y + rect.height) / step),
            );
            const hit = intersect(changed, this.tileRect(level, column, row));
            if (isEmpty(hit)) {
                continue;
            }
            const stale = tile.stale;
            tile.stale =
                stale === null
                    ? hit
                    : fromEdges(
                          Math.min(stale.x, hit.x),
                          Math.min(stale.y, hit.y),
                          Math.max(stale.x + stale.width, hit.x + hit.width),
                          Math.max(stale.y + stale.height, hit.y + hit.height),
                      );
        }
    }

    /**
     * Give every square of a level that a rectangle of the picture touches to `draw`, with its place in the picture.
     * Stops when the time is up. Returns whether everything was drawn.
     */
    draw(level: number, seen: Rect, until: number, draw: (tile: OffscreenCanvas, rect: Rect, step: number) => void): boolean {
        const step = 2 ** level;
        const side = TILE * step;
        let whole = true;
        for (let row = Math.floor(seen.y / side); row * side < seen.y + seen.height; row += 1) {
            for (let column = Math.floor(seen.x / side); column * side < seen.x + seen.width; column += 1) {
                const key = `${level},${column},${row}`;
                const rect = this.tileRect(level, column, row);
                let tile = this.tiles.get(key);
                const isReady = tile !== undefined && tile.stale === null;
                if (!isReady && performance.now() > until) {
                    whole = false;
                    if (tile === undefined) {
                        continue;
                    }
                }
                if (tile === undefined) {
                    tile = { context: offscreen(rect.width, rect.height), stale: rect };
                } else {
                    this.tiles.delete(key); // the last used one is the last in the map
                }
                this.tiles.set(key, tile);
                if (tile.stale !== null && performance.now() <= until) {
                    this.refresh(tile, rect, step);
                }
                draw(tile.context.canvas, rect, step);
            }
        }
        for (const key of this.tiles.keys()) {
            if (this.tiles.size <= MAX_TILES) {
                break;
            }
            this.tiles.delete(key);
        }
        return whole;
    }

    private refresh(tile: Tile, rect: Rect, step: number): void {
        const stale = tile.stale as Rect;
        const image = new ImageData(stale.width, stale.height);
        this.paint(image, stale, step);
        tile.context.putImageData(image, stale.x - rect.x, stale.y - rect.y);
        tile.stale = null;
    }

    private tileRect(level: number, column: number, row: number): Rect {
        const step = 2 ** level;
        const square = { x: column * TILE, y: row * TILE, width: TILE, height: TILE };
        return intersect(square, {
            x: 0,
            y: 0,
            width: Math.ceil(this.width / step),
            height: Math.ceil(this.height / step),
        });
    }
}
