// What pointers do on the picture: paint, erase, outline, move, pinch.

import { element } from "./dom.js";
import { fromEdges } from "./geometry.js";
import type { Mask, Point } from "./mask.js";
import type { Picture } from "./picture.js";
import type { View } from "./view.js";

export type Tool = "brush" | "eraser" | "source" | "lasso" | "rectangle" | "hand";

export const MIN_BRUSH = 1;
export const MAX_BRUSH = 2000;
const WHEEL_ZOOM = 0.0022;
const WHEEL_BRUSH = 0.0016;

/** Tools that paint as thick as the brush is. */
function paints(tool: Tool): boolean {
    return tool === "brush" || tool === "eraser" || tool === "source";
}

/** What a tool marks: what fills may be copied from, or what is to be filled. */
function maskFor(tool: Tool, picture: Picture): Mask {
    return tool === "source" ? picture.source : picture.mask;
}

interface Stroke {
    pointer: number;
    tool: Tool;
    erase: boolean;
    last: Point;
    lastRadius: number;
    points: Point[];
}

export class Tools {
    tool: Tool = "brush";
    /** Diameter, in pixels of the picture. */
    brush = 40;
    /** While space is held, every tool is the hand. */
    spaceHeld = false;
    onBrush: () => void = () => undefined;
    /** Told at the end of every stroke and outline. */
    onEdited: () => void = () => undefined;
    /** Told at the end of a stroke or an outline that marked something. */
    onMarked: () => void = () => undefined;
    private picture: Picture | null = null;
    private stroke: Stroke | null = null;
    private readonly pointers = new Map<number, Point>();
    private readonly cursor = element("div", { class: "brush-cursor", hidden: true });
    private hover: Point | null = null;

    constructor(private readonly view: View) {
        const node = view.node;
        node.append(this.cursor);
        node.addEventListener("pointerdown", (event) => this.down(event));
        node.addEventListener("pointermove", (event) => this.move(event));
        node.addEventListener("pointerup", (event) => this.up(event, true));
        node.addEventListener("pointercancel", (event) => this.up(event, false));
        node.addEventListener("pointerleave", () => this.place(null));
        node.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
        node.addEventListener("contextmenu", (event) => event.preventDefault());
    }

    show(picture: Picture | null): void {
        this.drop();
        this.picture = picture;
        this.refresh();
    }

    choose(tool: Tool): void {
        this.drop();
        this.tool = tool;
        this.refresh();
    }

    setBrush(size: number): void {
        this.brush = Math.round(Math.min(MAX_BRUSH, Math.max(MIN_BRUSH, size)));
        this.refresh();
        this.onBrush();
    }

    /** One step larger or smaller, larger steps for larger brushes. */
    stepBrush(direction: 1 | -1): void {
        this.setBrush(this.brush + direction * Math.max(1, Math.round(this.brush * 0.15)));
    }

    /** Show the cursor that belongs to the tool, the brush's at its size. */
    refresh(): void {
        const isBrush = !this.spaceHeld && paints(this.tool);
        this.view.node.dataset["tool"] = this.spaceHeld ? "hand" : this.tool;
        const at = this.hover;
        this.cursor.hidden = !isBrush || at === null || this.picture === null || this.view.compare !== "off";
        if (at !== null && !this.cursor.hidden) {
            const size = Math.max(3, (this.brush * this.view.scale) / devicePixelRatio);
            const box = this.view.node.getBoundingClientRect();
            this.cursor.style.width = `${size}px`;
            this.cursor.style.height = `${size}px`;
            const [x, y] = [at.x - box.left - size / 2, at.y - box.top - size / 2];
            this.cursor.style.transform = `translate(${x}px, ${y}px)`;
            this.cursor.classList.toggle("erases", this.tool === "eraser");
        }
    }

    /** Give up what is being drawn. */
    drop(): void {
        const { stroke, picture } = this;
        this.stroke = null;
        this.view.outline = [];
        if (stroke !== null && picture !== null && paints(stroke.tool)) {
            picture.dropMaskEdit(maskFor(stroke.tool, picture));
        }
        this.view.redraw();
    }

    get isDrawing(): boolean {
        return this.stroke !== null;
    }

    private place(at: Point | null): void {
        this.hover = at;
        this.refresh();
    }

    private down(event: PointerEvent): void {
        const { picture, view } = this;
        if (picture === null) {
            return;
        }
        event.preventDefault();
        view.node.focus({ preventScroll: true });
        try {
            view.node.setPointerCapture(event.pointerId);
        } catch {
            // The pointer is gone already.
        }
        this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
        if (this.pointers.size === 2) {
            this.drop(); // two fingers move and zoom
            return;
        }
        if (this.pointers.size > 2 || this.stroke !== null) {
            return;
        }
        const moves = this.spaceHeld || event.button === 1 || this.tool === "hand" || view.compare !== "off";
        const tool = moves ? "hand" : this.tool;
        const erase = event.button === 2 || event.buttons === 32 || tool === "eraser";
        const point = view.toPicture(event.clientX, event.clientY);
        const radius = this.radius(event);
        this.stroke = { pointer: event.pointerId, tool, erase, last: point, lastRadius: radius, points: [point] };
        if (paints(tool)) {
            const mask = maskFor(tool, picture);
            mask.begin();
            mask.stroke(point, point, radius, erase ? 0 : 255);
        }
    }

    private move(event: PointerEvent): void {
        const before = this.pointers.get(event.pointerId);
        const now = { x: event.clientX, y: event.clientY };
        if (event.pointerType !== "touch") {
            this.place(now);
        }
        if (before === undefined) {
            return;
        }
        this.pointers.set(event.pointerId, now);
        const stroke = this.stroke;
        if (this.pointers.size === 2) {
            this.pinch(event.pointerId, before, now);
        } else if (stroke?.tool === "hand") {
            this.view.pan(now.x - before.x, now.y - before.y);
        } else if (stroke !== null && stroke.pointer === event.pointerId) {
            // All that the pen did since the last event, not only where it is now.
            const events = event.getCoalescedEvents?.() ?? [];
            for (const each of events.length > 0 ? events : [event]) {
                this.draw(stroke, each);
            }
        }
    }

    private draw(stroke: Stroke, event: PointerEvent): void {
        const picture = this.picture as Picture;
        const point = this.view.toPicture(event.clientX, event.clientY);
        if (paints(stroke.tool)) {
            const radius = this.radius(event);
            const mask = maskFor(stroke.tool, picture);
            mask.stroke(stroke.last, point, (radius + stroke.lastRadius) / 2, stroke.erase ? 0 : 255);
            stroke.lastRadius = radius;
        } else {
            stroke.points.push(point);
            this.view.outline = stroke.tool === "lasso" ? stroke.points : corners(stroke.points[0] as Point, point);
            this.view.redrawMask(fromEdges(0, 0, 0, 0));
        }
        stroke.last = point;
    }

    private up(event: PointerEvent, counts: boolean): void {
        if (!this.pointers.delete(event.pointerId)) {
            return;
        }
        const { stroke, picture } = this;
        if (stroke === null || stroke.pointer !== event.pointerId || picture === null) {
            return;
        }
        if (!counts) {
            this.drop();
            return;
        }
        this.stroke = null;
        const value = stroke.erase ? 0 : 255;
        const first = stroke.points[0] as Point;
        this.view.outline = [];
        if (stroke.tool === "lasso") {
            picture.editMask((mask) => mask.polygon(stroke.points, value));
        } else if (stroke.tool === "rectangle") {
            const rect = fromEdges(
                Math.round(Math.min(first.x, stroke.last.x)),
                Math.round(Math.min(first.y, stroke.last.y)),
                Math.round(Math.max(first.x, stroke.last.x)),
                Math.round(Math.max(first.y, stroke.last.y)),
            );
            picture.editMask((mask) => mask.rectangle(rect, value));
        } else if (stroke.tool !== "hand") {
            picture.endMaskEdit(maskFor(stroke.tool, picture));
        }
        this.view.redrawMask(fromEdges(0, 0, 0, 0));
        this.onEdited();
        if (stroke.tool !== "hand" && stroke.tool !== "source" && !stroke.erase) {
            this.onMarked();
        }
    }

    /** Half of the brush: a pen that is pressed less paints less. */
    private radius(event: PointerEvent): number {
        const pressure = event.pointerType === "pen" && event.pressure > 0 ? 0.25 + 0.75 * event.pressure : 1;
        return (this.brush / 2) * pressure;
    }

    private pinch(pointer: number, before: Point, now: Point): void {
        const other = [...this.pointers].find(([id]) => id !== pointer)?.[1];
        if (other === undefined) {
            return;
        }
        const old = Math.hypot(before.x - other.x, before.y - other.y);
        const length = Math.hypot(now.x - other.x, now.y - other.y);
        this.view.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
        if (old > 0 && length > 0) {
            this.view.zoom(length / old, (now.x + other.x) / 2, (now.y + other.y) / 2);
        }
    }

    /** Touchpads send a pinch as a wheel with Ctrl, and two fingers as a wheel to both sides. */
    private wheel(event: WheelEvent): void {
        if (this.picture === null) {
            return;
        }
        event.preventDefault();
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
        const dx = event.deltaX * lines;
        const dy = event.deltaY * lines;
        if (event.altKey) {
            this.setBrush(this.brush * Math.exp(-dy * WHEEL_BRUSH) + (dy < 0 ? 0.5 : -0.5));
        } else if (event.ctrlKey || event.metaKey) {
            this.view.zoom(Math.exp(-dy * WHEEL_ZOOM * (Math.abs(dy) < 40 ? 4 : 1)), event.clientX, event.clientY);
        } else if (event.shiftKey) {
            this.view.pan(-dy, -dx);
        } else if (dx === 0 && Math.abs(dy) >= 50) {
            // A mouse's wheel zooms, as in every editor.
            this.view.zoom(Math.exp(-dy * WHEEL_ZOOM), event.clientX, event.clientY);
        } else {
            this.view.pan(-dx, -dy);
        }
        this.refresh();
    }
}

function corners(one: Point, other: Point): Point[] {
    return [one, { x: other.x, y: one.y }, other, { x: one.x, y: other.y }];
}
