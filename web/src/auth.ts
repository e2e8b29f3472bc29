// The page's proof that it knows its token, and the server's that it does: docs/protocol.md, "A page".

const SESSION = "session";
const PROOF = "X-Lama-Fill-Proof";

/** The server does not know this page (any more): it takes a new token. */
export class RefusedError extends Error {}

/** Nothing answers, or not the server that gave the token. */
export class AwayError extends Error {}

async function hmac(secret: string, text: string): Promise<string> {
    const encoder = new TextEncoder();
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
    const signed = new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
    return Array.from(signed, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function newNonce(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(24));
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

/** Ask for something that needs a proof, and check the server's own. */
async function prove(path: string, secret: string): Promise<unknown> {
    const nonce = newNonce();
    const proof = await hmac(secret, `client:${nonce}`);
    let response: Response;
    try {
        response = await fetch(path, { headers: { Authorization: `LamaFill nonce="${nonce}", proof="${proof}"` } });
    } catch (error) {
        throw new AwayError(String(error));
    }
    if (response.status === 401) {
        throw new RefusedError("the token is not good, or no longer");
    }
    if (!response.ok || response.headers.get(PROOF) !== (await hmac(secret, `server:${nonce}`))) {
        throw new AwayError("something else answers at this address");
    }
    return response.json();
}

/** Take the one-time token out of the address, where it would be seen and kept. */
export function takeToken(): string | null {
    const token = location.hash.slice(1);
    if (token !== "") {
        history.replaceState(null, "", location.pathname);
    }
    return /^[A-Za-z0-9_-]{32,128}$/.test(token) ? token : null;
}

/** Make a session of the one-time token. The session's key stays in this tab. */
export async function begin(token: string): Promise<void> {
    await prove("/web/session", token);
    sessionStorage.setItem(SESSION, await hmac(token, "session"));
}

/** Whether this tab has a session, which may be void by now. */
export function hasSession(): boolean {
    return sessionStorage.getItem(SESSION) !== null;
}

/** Open a websocket with a ticket of the session. */
export async function openSocket(path: string, protocol: string): Promise<WebSocket> {
    const session = sessionStorage.getItem(SESSION);
    if (session === null) {
        throw new RefusedError("there is no session");
    }
    const { ticket } = (await prove("/web/ticket", session)) as { ticket: string };
    const socket = new WebSocket(`ws://${location.host}${path}`, [protocol, `lamafill.ticket.${ticket}`]);
    socket.binaryType = "arraybuffer";
    return socket;
}

/** Get one of the page's own files. */
export async function fetchJson(path: string): Promise<unknown> {
    const response = await fetch(path);
    if (!response.ok) {
        throw new AwayError(`${path}: ${response.status}`);
    }
    return response.json();
}
