// Above the picture: the pictures as tabs, opening and saving.

import type { App } from "./app.js";
import { button, chooseFiles } from "./controls.js";
import { element } from "./dom.js";
import { icon } from "./icons.js";
import type { Picture } from "./picture.js";
import { SaveDialog } from "./save_dialog.js";
import { _, format } from "./text.js";

export class TopBar {
    readonly node: HTMLElement;
    private readonly tabs = element("div", { class: "tabs", role: "tablist", "aria-label": _("Pictures") });
    private readonly save: HTMLButtonElement;
    private readonly saveAs: HTMLButtonElement;
    private readonly dialog: SaveDialog;
    private drawn = "";

    constructor(
        private readonly app: App,
        private readonly panelToggle: HTMLElement,
    ) {
        this.dialog = new SaveDialog(app);
        const open = button({ label: _("Open…"), key: "Ctrl+O", icon: "open", run: () => this.open() });
        this.save = button({ label: _("Save"), key: "Ctrl+S", icon: "save", class: "strong", run: () => this.saveNow() });
        this.saveAs = button({
            label: _("Save as…"),
            key: "Ctrl+Shift+S",
            icon: "more",
            iconOnly: true,
            run: () => this.dialog.open(),
        });
        this.node = element(
            "header",
            { class: "topbar" },
            element("h1", { class: "brand" }, element("img", { src: "/web/icon.svg", alt: "", width: 22, height: 22 }), "LaMa Fill"),
            this.tabs,
            element("div", { class: "actions" }, open, this.save, this.saveAs, this.panelToggle),
            this.dialog.node,
        );
        this.tabs.addEventListener("keydown", (event) => this.moveFocus(event));
    }

    open(): void {
        chooseFiles(true, (files) => void this.app.openFiles(files));
    }

    /** Beside the original where there is one, else as the artist chooses. */
    saveNow(): void {
        if (this.app.active?.origin.key) {
            void this.app.saveOriginal();
        } else if (this.app.active !== null) {
            this.dialog.open();
        }
    }

    saveElsewhere(): void {
        if (this.app.active !== null) {
            this.dialog.open();
        }
    }

    refresh(): void {
        const { app } = this;
        this.save.disabled = app.active === null;
        this.saveAs.hidden = !app.active?.origin.key;
        const now = app.pictures.map((picture) => `${picture.origin.id} ${picture === app.active}`).join();
        if (now !== this.drawn) {
            this.drawn = now;
            const hadFocus = this.tabs.contains(document.activeElement);
            this.tabs.replaceChildren(...app.pictures.map((picture) => this.tab(picture)));
            if (hadFocus) {
                this.tabs.querySelector<HTMLElement>("[aria-selected=true]")?.focus();
            }
        }
    }

    private tab(picture: Picture): HTMLElement {
        const { app } = this;
        const { name } = picture.origin;
        const isActive = picture === app.active;
        const closing = format("Close {name}", { name });
        const tab = element(
            "button",
            {
                type: "button",
                role: "tab",
                class: "tab",
                "aria-selected": String(isActive),
                tabindex: isActive ? 0 : -1,
                title: `${name}, ${picture.raster.width} × ${picture.raster.height}`,
                "aria-keyshortcuts": "Delete",
                onclick: () => app.show(picture),
            },
            element("span", {}, name),
        );
        // For pointers; a list of tabs has nothing but tabs for everybody else, who close with Delete.
        const close = element(
            "button",
            {
                type: "button",
                class: "tab-close",
                tabindex: -1,
                "aria-hidden": "true",
                title: `${closing} (Delete)`,
                onclick: () => this.close(picture),
            },
            icon("close"),
        );
        return element("div", { class: isActive ? "tab-box active" : "tab-box", role: "presentation" }, tab, close);
    }

    private close(picture: Picture): void {
        const { history, origin } = picture;
        if (history.canUndo && !confirm(format("Close {name}? What you did to it is not kept then.", { name: origin.name }))) {
            return;
        }
        this.app.close(picture);
    }

    private moveFocus(event: KeyboardEvent): void {
        const { app } = this;
        if (event.key === "Delete" && app.active !== null) {
            event.preventDefault();
            event.stopPropagation();
            this.close(app.active);
            return;
        }
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step === undefined || app.active === null || app.pictures.length === 0) {
            return;
        }
        const count = app.pictures.length;
        const next = (app.pictures.indexOf(app.active) + step + count) % count;
        app.show(app.pictures[next] ?? null);
        event.preventDefault();
        event.stopPropagation();
    }
}
