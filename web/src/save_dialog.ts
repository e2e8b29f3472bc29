// As what a picture is saved.

import type { App } from "./app.js";
import { button } from "./controls.js";
import { element } from "./dom.js";
import type { Kind } from "./saving.js";
import { _ } from "./text.js";

export class SaveDialog {
    readonly node = element("dialog", { class: "dialog", "aria-labelledby": "save-title" });

    constructor(private readonly app: App) {
        const kinds: [Kind, string, string][] = [
            ["png", "PNG", _("Keeps every pixel outside of the fills as it is.")],
            ["jpeg", "JPEG", _("Small; all of the picture is compressed anew.")],
            ["webp", "WebP", _("Smaller than PNG.")],
            ["layer", _("The fills alone"), _("A transparent PNG, as a layer for any editor.")],
        ];
        const close = button({ label: _("Cancel"), run: () => this.node.close() });
        this.node.append(
            element("h2", { id: "save-title" }, _("Save as…")),
            ...kinds.map(([kind, label, about]) =>
                element(
                    "button",
                    { type: "button", class: "dialog-choice", onclick: () => this.choose(kind) },
                    element("strong", {}, label),
                    element("span", {}, about),
                ),
            ),
            element("div", { class: "dialog-end" }, close),
        );
    }

    open(): void {
        if (!this.node.open) {
            this.node.showModal();
        }
    }

    private choose(kind: Kind): void {
        this.node.close();
        void this.app.saveAs(kind);
    }
}
