// The answers to the last question, as small pictures to choose from.

import type { App } from "./app.js";
import { context2d, element } from "./dom.js";
import { union } from "./geometry.js";
import type { FillEdit, Variant } from "./history.js";
import type { Picture } from "./picture.js";
import { _, format } from "./text.js";

const SIDE = 96;

export class Variants {
    readonly node = element("section", { class: "variants", hidden: true });
    private readonly list = element("div", { class: "thumbs", role: "group", "aria-label": _("Variants") });
    private drawn: Variant[] = [];

    constructor(private readonly app: App) {
        this.node.append(element("h2", {}, _("Variants")), this.list);
    }

    refresh(): void {
        const { active } = this.app;
        const edit = active?.history.lastFill ?? null;
        this.node.hidden = active === null || edit === null || edit.variants.length < 2;
        if (active === null || edit === null || this.node.hidden) {
            this.drawn = [];
            return;
        }
        if (this.drawn.length !== edit.variants.length || this.drawn.some((each, at) => each !== edit.variants[at])) {
            this.drawn = [...edit.variants];
            this.list.replaceChildren(...edit.variants.map((variant, index) => this.thumb(active, edit, variant, index)));
        }
        [...this.list.children].forEach((node, index) => node.setAttribute("aria-pressed", String(index === edit.chosen)));
    }

    private thumb(picture: Picture, edit: FillEdit, variant: Variant, index: number): HTMLElement {
        const canvas = element("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
        paint(canvas, picture, edit, variant);
        return element(
            "button",
            {
                type: "button",
                class: "thumb",
                "aria-label": format("Variant {number}", { number: index + 1 }),
                title: format("Variant {number}", { number: index + 1 }),
                onclick: () => this.app.choose(index),
            },
            canvas,
        );
    }
}

/** The fill in its place, cut square. */
function paint(canvas: HTMLCanvasElement, picture: Picture, edit: FillEdit, variant: Variant): void {
    const { raster } = picture;
    const filled = variant.patches.map((patch) => patch.rect).reduce(union);
    const side = Math.min(Math.max(filled.width, filled.height) * 1.3, raster.width, raster.height);
    const left = Math.min(Math.max(0, filled.x + filled.width / 2 - side / 2), raster.width - side);
    const top = Math.min(Math.max(0, filled.y + filled.height / 2 - side / 2), raster.height - side);
    const image = new ImageData(SIDE, SIDE);
    const shown = edit.variants[edit.chosen] as Variant;
    const at = (x: number, y: number): [number, number, number] => {
        for (const patch of [...variant.patches].reverse()) {
            const [column, row] = [x - patch.rect.x, y - patch.rect.y];
            if (column >= 0 && row >= 0 && column < patch.rect.width && row < patch.rect.height) {
                const index = row * patch.rect.width + column;
                if ((patch.blend[index] as number) > 127) {
                    const channels = patch.pixels.length / patch.blend.length;
                    const from = index * channels;
                    return [patch.pixels[from], patch.pixels[from + 1], patch.pixels[from + 2]] as [number, number, number];
                }
            }
        }
        for (const patch of shown.patches) {
            const [column, row] = [x - patch.rect.x, y - patch.rect.y];
            if (patch.before && column >= 0 && row >= 0 && column < patch.rect.width && row < patch.rect.height) {
                const from = (row * patch.rect.width + column) * 4;
                return [patch.before[from], patch.before[from + 1], patch.before[from + 2]] as [number, number, number];
            }
        }
        const from = (y * raster.width + x) * 4;
        return [raster.data[from], raster.data[from + 1], raster.data[from + 2]] as [number, number, number];
    };
    for (let row = 0; row < SIDE; row += 1) {
        for (let column = 0; column < SIDE; column += 1) {
            const x = Math.min(raster.width - 1, Math.floor(left + ((column + 0.5) * side) / SIDE));
            const y = Math.min(raster.height - 1, Math.floor(top + ((row + 0.5) * side) / SIDE));
            image.data.set([...at(x, y), 255], (row * SIDE + column) * 4);
        }
    }
    context2d(canvas).putImageData(image, 0, 0);
}
