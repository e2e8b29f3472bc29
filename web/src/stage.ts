// The middle of the page: the picture, what to do while there is none, zooming, comparing, and what is dropped.

import type { App } from "./app.js";
import { button, chooseFiles } from "./controls.js";
import { element } from "./dom.js";
import { _ } from "./text.js";

/** Width of the slider's thumb, as in style.css. */
const THUMB = 44;
const SLIDER_STEPS = 1000;

export class Stage {
    readonly node: HTMLElement;
    private readonly empty: HTMLElement;
    private readonly zoomBar: HTMLElement;
    private readonly percent: HTMLButtonElement;
    private readonly compare: HTMLButtonElement;
    private readonly before: HTMLButtonElement;
    private readonly slider = element("input", {
        type: "range",
        class: "compare-slider",
        min: 0,
        max: SLIDER_STEPS,
        value: SLIDER_STEPS / 2,
        hidden: true,
        "aria-label": _("Before and after"),
    });
    private readonly drop: HTMLElement;
    private drags = 0;

    constructor(private readonly app: App) {
        const { view } = app;
        view.node.tabIndex = 0;
        view.node.setAttribute("role", "application");
        view.node.setAttribute("aria-label", _("The picture: paint over what is to be gone"));
        this.empty = element(
            "div",
            { class: "empty" },
            element("h2", {}, _("Drop a picture here")),
            element("p", {}, _("or paste one with Ctrl+V")),
            button({
                label: _("Open a picture…"),
                icon: "open",
                class: "primary",
                run: () => chooseFiles(true, (files) => void app.openFiles(files)),
            }),
            element("p", { class: "hint" }, _("Your pictures stay on this machine.")),
        );
        this.percent = button({ label: "100 %", key: "1", run: () => view.zoomToScale(1) });
        this.compare = button({
            label: _("Compare by a slider"),
            key: "V",
            icon: "compare",
            iconOnly: true,
            run: () => this.toggleCompare(),
        });
        this.before = button({ label: _("Hold to see the original"), key: "C", icon: "eye", iconOnly: true, run: () => undefined });
        this.before.addEventListener("pointerdown", () => app.setCompare("before"));
        for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
            this.before.addEventListener(end, () => view.compare === "before" && app.setCompare("off"));
        }
        this.zoomBar = element(
            "div",
            { class: "zoombar", role: "toolbar", "aria-label": _("View") },
            button({ label: _("Smaller"), key: "-", icon: "minus", iconOnly: true, run: () => view.zoom(1 / 1.25) }),
            this.percent,
            button({ label: _("Larger"), key: "+", icon: "plus", iconOnly: true, run: () => view.zoom(1.25) }),
            button({ label: _("Show all"), key: "0", icon: "fit", iconOnly: true, run: () => view.fit() }),
            this.compare,
            this.before,
        );
        this.slider.addEventListener("input", () => this.moveSlider());
        this.drop = element(
            "div",
            { class: "drop", hidden: true },
            element("div", { class: "drop-zone", "data-zone": "picture" }, _("Open as a picture")),
            element("div", { class: "drop-zone", "data-zone": "mask" }, _("Use as a mask")),
        );
        this.node = element(
            "main",
            { class: "stage" },
            view.node,
            this.slider,
            this.empty,
            app.notices.server,
            app.notices.faults,
            element("div", { class: "stage-end" }, this.zoomBar, app.notices.line),
            this.drop,
        );
        this.listenForDrops();
        new ResizeObserver(() => this.moveSlider()).observe(view.node);
    }

    toggleCompare(): void {
        this.app.setCompare(this.app.view.compare === "slider" ? "off" : "slider");
        this.refresh();
        if (!this.slider.hidden) {
            this.moveSlider();
            this.slider.focus();
        }
    }

    refresh(): void {
        const { active, view } = this.app;
        const isEmpty = active === null;
        this.empty.hidden = !isEmpty;
        this.zoomBar.hidden = isEmpty;
        view.node.classList.toggle("unused", isEmpty);
        view.node.tabIndex = isEmpty ? -1 : 0;
        const percent = Math.round((view.scale / devicePixelRatio) * 100);
        (this.percent.firstElementChild as HTMLElement).textContent = `${percent} %`;
        const compares = view.compare === "slider";
        this.compare.setAttribute("aria-pressed", String(compares));
        this.before.setAttribute("aria-pressed", String(view.compare === "before"));
        this.slider.hidden = isEmpty || !compares;
    }

    private moveSlider(): void {
        const { view } = this.app;
        const width = view.node.clientWidth;
        const share = Number(this.slider.value) / SLIDER_STEPS;
        view.split = width > 0 ? (share * (width - THUMB) + THUMB / 2) / width : 0.5;
        view.redraw();
    }

    private listenForDrops(): void {
        const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;
        addEventListener("dragenter", (event) => {
            if (hasFiles(event)) {
                this.drags += 1;
                this.drop.hidden = false;
                this.drop.classList.toggle("single", this.app.active === null);
            }
        });
        addEventListener("dragleave", (event) => {
            if (hasFiles(event)) {
                this.drags = Math.max(0, this.drags - 1);
                this.drop.hidden = this.drags === 0;
            }
        });
        addEventListener("dragover", (event) => event.preventDefault());
        addEventListener("drop", (event) => {
            event.preventDefault();
            this.drags = 0;
            this.drop.hidden = true;
            const files = [...(event.dataTransfer?.files ?? [])];
            const zone = (event.target as HTMLElement).dataset?.["zone"];
            const [first] = files;
            if (zone === "mask" && first !== undefined) {
                void this.app.loadMask(first);
            } else if (files.length > 0) {
                void this.app.openFiles(files);
            }
        });
        addEventListener("paste", (event) => {
            const files = [...(event.clipboardData?.files ?? [])];
            if (files.length > 0) {
                event.preventDefault();
                void this.app.openFiles(files);
            }
        });
    }
}
