// The tools, beside the picture or, on a phone, below it.

import type { App } from "./app.js";
import { button } from "./controls.js";
import { element } from "./dom.js";
import { _ } from "./text.js";
import type { Tool } from "./tools.js";

export class ToolBar {
    readonly node: HTMLElement;
    private readonly tools: [Tool, HTMLButtonElement][];
    private readonly undo: HTMLButtonElement;
    private readonly redo: HTMLButtonElement;

    constructor(private readonly app: App) {
        const make = (tool: Tool, label: string, key: string): [Tool, HTMLButtonElement] => [
            tool,
            button({ label, key, icon: tool, iconOnly: true, class: "tool", run: () => this.choose(tool) }),
        ];
        this.tools = [
            make("brush", _("Brush"), "B"),
            make("eraser", _("Eraser"), "E"),
            make("lasso", _("Lasso"), "L"),
            make("rectangle", _("Rectangle"), "R"),
            make("source", _("Copy from here"), "S"),
            make("hand", _("Move the picture"), "H"),
        ];
        this.undo = button({ label: _("Undo"), key: "Ctrl+Z", icon: "undo", iconOnly: true, class: "tool", run: () => app.undo() });
        this.redo = button({
            label: _("Redo"),
            key: "Ctrl+Shift+Z",
            icon: "redo",
            iconOnly: true,
            class: "tool",
            run: () => app.redo(),
        });
        const tools = element(
            "div",
            { class: "toolbar", role: "toolbar", "aria-label": _("Tools") },
            ...this.tools.map(([, node]) => node),
            element("hr", { class: "divider" }),
            this.undo,
            this.redo,
        );
        this.node = element("section", { class: "tool-area", "aria-label": _("Tools") }, tools);
    }

    choose(tool: Tool): void {
        this.app.tools.choose(tool);
        this.refresh();
    }

    refresh(): void {
        const { active, tools } = this.app;
        for (const [tool, node] of this.tools) {
            node.setAttribute("aria-pressed", String(tool === tools.tool));
            node.disabled = active === null;
        }
        this.undo.disabled = !active?.history.canUndo && !this.app.fills.isRunning;
        this.redo.disabled = !active?.history.canRedo;
    }
}
