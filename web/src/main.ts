// The page, from its token to what is on it.

import { App } from "./app.js";
import { RefusedError, begin, hasSession, takeToken } from "./auth.js";
import { button } from "./controls.js";
import { loadDeclaration } from "./declaration.js";
import { element } from "./dom.js";
import { gate } from "./gate.js";
import { Panel } from "./panel.js";
import { listenForKeys } from "./shortcuts.js";
import { Stage } from "./stage.js";
import { Storage } from "./storage.js";
import { _, loadTexts } from "./text.js";
import { ToolBar } from "./toolbar.js";
import { TopBar } from "./topbar.js";

/** Whether the page may go on: with a new token, or with the session of this tab. */
async function enter(token: string | null): Promise<boolean> {
    if (token !== null) {
        try {
            await begin(token);
            return true;
        } catch (error) {
            if (!(error instanceof RefusedError)) {
                throw error;
            }
            return false;
        }
    }
    return hasSession();
}

async function main(): Promise<void> {
    const token = takeToken();
    const [, entered] = await Promise.all([loadTexts(navigator.languages), enter(token)]);
    if (!entered) {
        document.body.replaceChildren(gate());
        addEventListener("hashchange", () => location.reload());
        return;
    }
    const [declaration, storage] = await Promise.all([loadDeclaration(), Storage.open()]);
    const app = new App(declaration, storage);
    const panelToggle = button({
        label: _("How to fill"),
        icon: "options",
        iconOnly: true,
        class: "panel-toggle",
        run: () => {
            const isOpen = document.body.classList.toggle("panel-open");
            panelToggle.setAttribute("aria-expanded", String(isOpen));
        },
    });
    panelToggle.setAttribute("aria-expanded", "false");
    panelToggle.setAttribute("aria-controls", "panel");
    const topbar = new TopBar(app, panelToggle);
    const toolbar = new ToolBar(app);
    const stage = new Stage(app);
    const panel = new Panel(app);
    let scheduled = false;
    app.onChange = () => {
        if (!scheduled) {
            scheduled = true;
            requestAnimationFrame(() => {
                scheduled = false;
                [topbar, toolbar, stage, panel].forEach((part) => part.refresh());
            });
        }
    };
    document.body.replaceChildren(element("div", { class: "app" }, topbar.node, toolbar.node, stage.node, panel.node));
    listenForKeys(app, topbar, toolbar, stage);
    // A new address in the same tab: a new session for what is open.
    addEventListener("hashchange", () => {
        const again = takeToken();
        if (again !== null) {
            void enter(again).then(() => {
                void app.connection.open();
                app.desk.renew();
            });
        }
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.view.redraw());
    app.onChange();
    void app.connection.open();
    await app.restore(await storage.restore());
    void app.desk.open();
}

void main();
