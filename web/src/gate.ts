// What is shown to who has no token: how to get one.

import { element } from "./dom.js";
import { _ } from "./text.js";

export function gate(): HTMLElement {
    return element(
        "main",
        { class: "gate" },
        element("img", { src: "/web/icon.svg", alt: "", width: 56, height: 56 }),
        element("h1", {}, "LaMa Fill"),
        element("p", {}, _("Nobody but you gets in here, so this page needs an address that is good once.")),
        element(
            "ol",
            {},
            element("li", {}, _("Open a terminal and run:"), element("code", {}, "lama-fill web")),
            element("li", {}, _("The page opens by itself. If it does not, open the address that the command prints.")),
        ),
    );
}
