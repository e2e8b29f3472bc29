// Shows a picture: where it is on the screen, and what is drawn of it.

import { context2d, element } from "./dom.js";
import { type Rect, fromEdges, growRect, intersect, isEmpty, union } from "./geometry.js";
import type { Point } from "./mask.js";
import type { Picture } from "./picture.js";
import { Tiles } from "./tiles.js";

/** Above this scale the picture's pixels are shown as squares. */
const PIXEL_SCALE = 4;
const MAX_SCALE = 32;
/** Time for squares within one frame; the rest comes with the next one. */
const FRAME_MILLISECONDS = 12;

export type Compare = "off" | "before" | "slider";

export class View {
    readonly node = element("div", { class: "view" });
    /** Screen pixels, of the device, for one of the picture. */
    scale = 1;
    /** Where the picture's top left corner is, in the device's pixels. */
    left = 0;
    top = 0;
    /** What is drawn over the picture beside the mask: an outline that is being drawn. */
    outline: readonly Point[] = [];
    compare: Compare = "off";
    /** Where the slider is, from 0 to 1 of the view's width. */
    split = 0.5;
    onMoved: () => void = () => undefined;
    private picture: Picture | null = null;
    private readonly base = element("canvas", { class: "layer", "aria-hidden": "true" });
    private readonly over = element("canvas", { class: "layer overlay", "aria-hidden": "true" });
    private readonly lines = element("canvas", { class: "layer", "aria-hidden": "true" });
    private readonly baseContext = context2d(this.base, { alpha: false });
    private readonly overContext = context2d(this.over);
    private readonly linesContext = context2d(this.lines);
    private frame = 0;
    private stale = true;
    private staleMask: Rect = fromEdges(0, 0, 0, 0);
    private fits = true;

    constructor() {
        this.node.append(this.base, this.over, this.lines);
        new ResizeObserver(() => this.resize()).observe(this.node);
    }

    /** Show a picture, at the place where it was last. */
    show(picture: Picture | null): void {
        this.keepPlace();
        this.picture = picture;
        if (picture !== null) {
            picture.changed = () => this.redraw();
            picture.maskChanged = (rect) => this.redrawMask(rect);
            const { scale, x, y } = picture.place;
            this.fits = scale === 0;
            if (this.fits) {
                this.fit();
            } else {
                [this.scale, this.left, this.top] = [scale, x, y];
            }
        }
        this.redraw();
        this.onMoved();
    }

    get width(): number {
        return this.base.width;
    }

    get height(): number {
        return this.base.height;
    }

    /** Where a point of the page is in the picture. */
    toPicture(clientX: number, clientY: number): Point {
        const box = this.node.getBoundingClientRect();
        const ratio = devicePixelRatio;
        return {
            x: ((clientX - box.left) * ratio - this.left) / this.scale,
            y: ((clientY - box.top) * ratio - this.top) / this.scale,
        };
    }

    /** Show all of the picture. */
    fit(): void {
        const picture = this.picture;
        if (picture === null || this.width === 0) {
            return;
        }
        const margin = Math.min(32, this.width / 20) * devicePixelRatio;
        const { width, height } = picture.raster;
        this.scale = Math.min((this.width - margin) / width, (this.height - margin) / height, devicePixelRatio * PIXEL_SCALE);
        this.left = Math.round((this.width - width * this.scale) / 2);
        this.top = Math.round((this.height - height * this.scale) / 2);
        this.fits = true;
        this.moved();
    }

    /** Make the picture larger or smaller around a point of the page, or around the middle. */
    zoom(factor: number, clientX?: number, clientY?: number): void {
        const box = this.node.getBoundingClientRect();
        const x = ((clientX ?? box.left + box.width / 2) - box.left) * devicePixelRatio;
        const y = ((clientY ?? box.top + box.height / 2) - box.top) * devicePixelRatio;
        this.zoomTo(this.scale * factor, x, y);
    }

    /** Show one pixel of the picture as one of the screen, or as so many. */
    zoomToScale(scale: number): void {
        this.zoomTo(scale * devicePixelRatio, this.width / 2, this.height / 2);
    }

    private zoomTo(wanted: number, x: number, y: number): void {
        const picture = this.picture;
        if (picture === null) {
            return;
        }
        const { width, height } = picture.raster;
        const least = Math.min(1, 64 / Math.max(width, height));
        const scale = Math.min(MAX_SCALE * devicePixelRatio, Math.max(least, wanted));
        this.left = x - ((x - this.left) * scale) / this.scale;
        this.top = y - ((y - this.top) * scale) / this.scale;
        this.scale = scale;
        this.fits = false;
        this.moved();
    }

    /** Move the picture by pixels of the page. */
    pan(dx: number, dy: number): void {
        this.left += dx * devicePixelRatio;
        this.top += dy * devicePixelRatio;
        this.fits = false;
        this.moved();
    }

    /** Draw again, with the next frame. */
    redraw(): void {
        this.stale = true;
        this.schedule();
    }

    /** Draw a part of the mask again: all that a stroke needs. */
    redrawMask(rect: Rect): void {
        this.staleMask = union(this.staleMask, rect);
        this.schedule();
    }

    private schedule(): void {
        if (this.frame === 0) {
            this.frame = requestAnimationFrame(() => {
                this.frame = 0;
                if (this.stale) {
                    this.draw();
                } else {
                    this.drawMaskAgain();
                }
            });
        }
    }

    private moved(): void {
        const picture = this.picture;
        if (picture !== null) {
            // Some of it always stays to be seen.
            const { width, height } = picture.raster;
            const rest = 48 * devicePixelRatio;
            this.left = Math.min(this.width - rest, Math.max(rest - width * this.scale, this.left));
            this.top = Math.min(this.height - rest, Math.max(rest - height * this.scale, this.top));
        }
        this.keepPlace();
        this.redraw();
        this.onMoved();
    }

    private keepPlace(): void {
        if (this.picture !== null) {
            this.picture.place = { scale: this.fits ? 0 : this.scale, x: this.left, y: this.top };
        }
    }

    private resize(): void {
        const width = Math.round(this.node.clientWidth * devicePixelRatio);
        const height = Math.round(this.node.clientHeight * devicePixelRatio);
        if (width === this.width && height === this.height) {
            return;
        }
        const dx = (width - this.width) / 2;
        const dy = (height - this.height) / 2;
        for (const canvas of [this.base, this.over, this.lines]) {
            canvas.width = width;
            canvas.height = height;
        }
        if (this.fits) {
            this.fit();
        } else {
            this.left += dx;
            this.top += dy;
            this.moved();
        }
        this.draw();
    }

    private draw(): void {
        const { baseContext, overContext, picture, width, height } = this;
        const until = performance.now() + FRAME_MILLISECONDS;
        this.stale = false;
        this.staleMask = fromEdges(0, 0, 0, 0);
        baseContext.fillStyle = getComputedStyle(this.node).backgroundColor;
        baseContext.fillRect(0, 0, width, height);
        overContext.clearRect(0, 0, width, height);
        this.linesContext.clearRect(0, 0, width, height);
        if (picture === null || width === 0) {
            return;
        }
        const seen = this.seen(picture);
        if (isEmpty(seen)) {
            return;
        }
        const smooth = this.scale / devicePixelRatio < PIXEL_SCALE;
        for (const context of [baseContext, overContext]) {
            context.imageSmoothingEnabled = smooth;
            context.imageSmoothingQuality = "medium";
        }
        this.drawGround(picture);
        let whole = true;
        if (this.compare === "slider") {
            const middle = Math.round(this.split * width);
            whole = this.drawClipped(picture.original, seen, until, 0, middle);
            whole = this.drawClipped(picture.shown, seen, until, middle, width) && whole;
        } else {
            const tiles = this.compare === "before" ? picture.original : picture.shown;
            whole = this.drawTiles(baseContext, tiles, seen, until);
        }
        if (this.compare === "off") {
            whole = this.drawMasks(overContext, picture, seen, until) && whole;
            this.drawLines(picture);
        }
        if (!whole) {
            this.redraw();
        }
    }

    private drawMaskAgain(): void {
        const { overContext: context, picture } = this;
        const margin = 2 ** Tiles.level(this.scale) + 1;
        const stale = this.staleMask;
        this.staleMask = fromEdges(0, 0, 0, 0);
        if (picture === null || this.compare !== "off") {
            return;
        }
        this.linesContext.clearRect(0, 0, this.width, this.height);
        this.drawLines(picture);
        const seen = intersect(this.seen(picture), growRect(stale, margin));
        if (isEmpty(seen)) {
            return;
        }
        const left = Math.floor(this.left + seen.x * this.scale);
        const top = Math.floor(this.top + seen.y * this.scale);
        const wide = Math.ceil(seen.width * this.scale) + 1;
        const tall = Math.ceil(seen.height * this.scale) + 1;
        context.save();
        context.beginPath();
        context.rect(left, top, wide, tall);
        context.clip();
        context.clearRect(left, top, wide, tall);
        if (!this.drawMasks(context, picture, seen, performance.now() + FRAME_MILLISECONDS)) {
            this.redraw();
        }
        context.restore();
    }

    private seen(picture: Picture): Rect {
        return intersect(
            picture.raster.rect,
            fromEdges(
                Math.floor(-this.left / this.scale),
                Math.floor(-this.top / this.scale),
                Math.ceil((this.width - this.left) / this.scale),
                Math.ceil((this.height - this.top) / this.scale),
            ),
        );
    }

    /** What shows through where the picture is transparent: quiet squares. */
    private drawGround(picture: Picture): void {
        if (picture.raster.opaque) {
            return;
        }
        const context = this.baseContext;
        const side = 10 * devicePixelRatio;
        const { width, height } = picture.raster;
        const box = intersect(
            fromEdges(this.left, this.top, this.left + width * this.scale, this.top + height * this.scale),
            fromEdges(0, 0, this.width, this.height),
        );
        context.fillStyle = "#8a8a8a";
        context.fillRect(box.x, box.y, box.width, box.height);
        context.fillStyle = "#9c9c9c";
        for (let row = 0; row * side < box.height; row += 1) {
            for (let column = row % 2; column * side < box.width; column += 2) {
                const x = box.x + column * side;
                const y = box.y + row * side;
                context.fillRect(x, y, Math.min(side, box.x + box.width - x), Math.min(side, box.y + box.height - y));
            }
        }
    }

    private drawClipped(tiles: Tiles, seen: Rect, until: number, from: number, to: number): boolean {
        const context = this.baseContext;
        context.save();
        context.beginPath();
        context.rect(from, 0, to - from, this.height);
        context.clip();
        const whole = this.drawTiles(context, tiles, seen, until);
        context.restore();
        return whole;
    }

    private drawTiles(context: CanvasRenderingContext2D, tiles: Tiles, seen: Rect, until: number): boolean {
        return tiles.draw(Tiles.level(this.scale), seen, until, (tile, rect, step) => {
            // Edges on whole pixels, so that no gap shows between two squares.
            const unit = this.scale * step;
            const left = Math.round(this.left + rect.x * unit);
            const top = Math.round(this.top + rect.y * unit);
            const right = Math.round(this.left + (rect.x + rect.width) * unit);
            const bottom = Math.round(this.top + (rect.y + rect.height) * unit);
            context.drawImage(tile, left, top, right - left, bottom - top);
        });
    }

    /** What may be copied, and over it what is to be filled. */
    private drawMasks(context: CanvasRenderingContext2D, picture: Picture, seen: Rect, until: number): boolean {
        const overlays = picture.source.isUntouched ? [picture.overlay] : [picture.sourceOverlay, picture.overlay];
        return overlays.map((tiles) => this.drawTiles(context, tiles, seen, until)).every(Boolean);
    }

    private drawLines(picture: Picture): void {
        const context = this.linesContext;
        context.lineWidth = 1.5 * devicePixelRatio;
        if (this.outline.length > 1) {
            const path = new Path2D();
            this.outline.forEach((point, index) => {
                const x = this.left + point.x * this.scale;
                const y = this.top + point.y * this.scale;
                if (index === 0) {
                    path.moveTo(x, y);
                } else {
                    path.lineTo(x, y);
                }
            });
            path.closePath();
            this.strokeTwice(path);
        }
        for (const rect of picture.pending) {
            const path = new Path2D();
            path.rect(
                this.left + rect.x * this.scale,
                this.top + rect.y * this.scale,
                rect.width * this.scale,
                rect.height * this.scale,
            );
            this.strokeTwice(path);
        }
    }

    /** A line that is seen on any picture. */
    private strokeTwice(path: Path2D): void {
        const context = this.linesContext;
        context.setLineDash([]);
        context.strokeStyle = "rgb(0 0 0 / 0.6)";
        context.stroke(path);
        context.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
        context.strokeStyle = "white";
        context.stroke(path);
    }
}
