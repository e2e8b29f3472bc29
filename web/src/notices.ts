// What the artist is told: one quiet line, faults that stay until they are dismissed, and how the server is.

import { element } from "./dom.js";
import { icon } from "./icons.js";
import { _ } from "./text.js";

export class Notices {
    /** The quiet line, read out by screen readers. */
    readonly line = element("p", { class: "line", role: "status" });
    readonly faults = element("div", { class: "faults", role: "alert" });
    readonly server = element("div", { class: "server-strip", role: "status", hidden: true });

    say(text: string): void {
        this.line.textContent = text;
    }

    fault(text: string): void {
        const dismiss = element("button", { type: "button", class: "icon-button", "aria-label": _("Dismiss") }, icon("close"));
        const note = element("div", { class: "fault" }, element("p", {}, text), dismiss);
        dismiss.addEventListener("click", () => note.remove());
        // The same fault again is one fault.
        for (const old of this.faults.children) {
            if (old.firstElementChild?.textContent === text) {
                old.remove();
            }
        }
        this.faults.append(note);
    }

    /** Forget the faults of before: something new is being done. */
    clearFaults(): void {
        this.faults.replaceChildren();
    }

    /** Say how the server is; nothing when all is well. */
    setServer(text: string): void {
        this.server.textContent = text;
        this.server.hidden = text === "";
    }
}
