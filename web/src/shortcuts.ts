// What keys do. In a field that takes text they do what they do there.

import type { App } from "./app.js";
import type { Stage } from "./stage.js";
import type { ToolBar } from "./toolbar.js";
import type { TopBar } from "./topbar.js";

const PAN = 60;

export function listenForKeys(app: App, topbar: TopBar, toolbar: ToolBar, stage: Stage): void {
    const plain: Record<string, () => void> = {
        b: () => toolbar.choose("brush"),
        e: () => toolbar.choose("eraser"),
        l: () => toolbar.choose("lasso"),
        r: () => toolbar.choose("rectangle"),
        s: () => toolbar.choose("source"),
        h: () => toolbar.choose("hand"),
        "[": () => app.tools.stepBrush(-1),
        "]": () => app.tools.stepBrush(1),
        i: () => app.editMask("invert"),
        g: () => app.editMask("grow"),
        G: () => app.editMask("shrink"),
        Delete: () => app.editMask("clear"),
        Backspace: () => app.editMask("clear"),
        a: () => void app.another(),
        v: () => stage.toggleCompare(),
        "+": () => app.view.zoom(1.25),
        "=": () => app.view.zoom(1.25),
        "-": () => app.view.zoom(1 / 1.25),
        "0": () => app.view.fit(),
        "1": () => app.view.zoomToScale(1),
        Enter: () => void app.fill(),
        Escape: () => app.cancel(),
    };
    const control: Record<string, () => void> = {
        z: () => app.undo(),
        Z: () => app.redo(),
        y: () => app.redo(),
        s: () => topbar.saveNow(),
        S: () => topbar.saveElsewhere(),
        o: () => topbar.open(),
    };
    const arrows: Record<string, [number, number]> = {
        ArrowLeft: [PAN, 0],
        ArrowRight: [-PAN, 0],
        ArrowUp: [0, PAN],
        ArrowDown: [0, -PAN],
    };

    addEventListener("keydown", (event) => {
        const target = event.target as HTMLElement;
        if (document.querySelector("dialog[open]") !== null || event.isComposing) {
            return;
        }
        const withControl = event.ctrlKey || event.metaKey;
        const run = withControl ? control[event.shiftKey ? event.key.toUpperCase() : event.key] : undefined;
        if (run !== undefined) {
            event.preventDefault();
            run();
            return;
        }
        if (withControl || event.altKey || app.active === null) {
            return;
        }
        const isText = target.matches("input:not([type=range], [type=checkbox], [type=color]), select, textarea");
        if (isText) {
            return;
        }
        // Buttons and sliders keep the keys that work them.
        const isControl = target.matches("button, input, summary, a");
        if (isControl && (event.key === "Enter" || event.key === " " || event.key.startsWith("Arrow"))) {
            return;
        }
        if (event.key === " ") {
            event.preventDefault();
            app.tools.spaceHeld = true;
            app.tools.refresh();
        } else if (event.key === "c" && !event.repeat && app.view.compare === "off") {
            app.setCompare("before");
        } else if (arrows[event.key] !== undefined && target === app.view.node) {
            event.preventDefault();
            const [dx, dy] = arrows[event.key] as [number, number];
            app.view.pan(dx, dy);
        } else if (plain[event.key] !== undefined) {
            event.preventDefault();
            plain[event.key]?.();
        }
    });
    addEventListener("keyup", (event) => {
        if (event.key === " ") {
            app.tools.spaceHeld = false;
            app.tools.refresh();
        } else if (event.key === "c" && app.view.compare === "before") {
            app.setCompare("off");
        }
    });
    addEventListener("blur", () => {
        app.tools.spaceHeld = false;
        if (app.view.compare === "before") {
            app.setCompare("off");
        }
    });
}
