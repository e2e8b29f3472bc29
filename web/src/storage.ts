// Keeps what is open in this browser, so that a reload or a lost server loses nothing: the file of each picture, and
// everything that was done to it. A picture belongs to one tab at a time, which holds its lock.

import type { Edit, Keeper } from "./history.js";
import type { Origin } from "./picture.js";

const NAME = "lama-fill";
const PICTURES = "pictures";
const EDITS = "edits";
const CURSORS = "cursors";

interface Stored extends Origin {
    opened: number;
}

export interface Restored {
    origin: Origin;
    edits: Edit[];
    cursor: number;
}

function done<Result>(request: IDBRequest<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("the browser's storage failed"));
    });
}

export class Storage {
    /** Told once when the browser does not keep something, such as when its disk is full. */
    onFailed: () => void = () => undefined;
    private failed = false;
    private readonly releases = new Map<string, () => void>();

    private constructor(private readonly database: IDBDatabase | null) {}

    /** Open the storage. A browser that has none, as in private windows, keeps nothing. */
    static async open(): Promise<Storage> {
        try {
            const request = indexedDB.open(NAME, 1);
            request.onupgradeneeded = () => {
                request.result.createObjectStore(PICTURES, { keyPath: "id" });
                request.result.createObjectStore(EDITS);
                request.result.createObjectStore(CURSORS);
            };
            return new Storage(await done(request));
        } catch {
            return new Storage(null);
        }
    }

    /** Whatever is kept and not open in another tab, in the order in which it was opened. */
    async restore(): Promise<Restored[]> {
        if (this.database === null) {
            return [];
        }
        const store = this.database.transaction(PICTURES).objectStore(PICTURES);
        const stored = (await done(store.getAll())) as Stored[];
        const restored: Restored[] = [];
        for (const { opened: _opened, ...origin } of stored.sort((a, b) => a.opened - b.opened)) {
            if (await this.lock(origin.id)) {
                const stores = this.database.transaction([EDITS, CURSORS]);
                const cursor = done(stores.objectStore(CURSORS).get(origin.id));
                const edits = (await done(stores.objectStore(EDITS).getAll(rangeOf(origin.id)))) as Edit[];
                restored.push({ origin, edits, cursor: Math.min(Number((await cursor) ?? 0), edits.length) });
            }
        }
        return restored;
    }

    /** Keep a new picture from now on. Returns what has to be told of each edit. */
    async add(origin: Origin): Promise<Keeper> {
        await this.lock(origin.id);
        const stored: Stored = { ...origin, opened: Date.now() };
        this.write([PICTURES], (stores) => stores(PICTURES).put(stored));
        return this.keeper(origin);
    }

    /** What has to be told of each edit of a picture that is kept. */
    keeper(origin: Origin): Keeper {
        const { id } = origin;
        return {
            pushed: (index, edit) => {
                const kept = plain(edit);
                this.write([EDITS, CURSORS], (stores) => {
                    stores(EDITS).delete(IDBKeyRange.bound([id, index], [id, []]));
                    stores(EDITS).put(kept, [id, index]);
                    stores(CURSORS).put(index + 1, id);
                });
            },
            changed: (index, edit) => {
                const kept = plain(edit);
                this.write([EDITS], (stores) => stores(EDITS).put(kept, [id, index]));
            },
            moved: (cursor) => {
                this.write([CURSORS], (stores) => stores(CURSORS).put(cursor, id));
            },
        };
    }

    /** Forget a picture. */
    remove(id: string): void {
        this.write([PICTURES, EDITS, CURSORS], (stores) => {
            stores(PICTURES).delete(id);
            stores(CURSORS).delete(id);
            stores(EDITS).delete(rangeOf(id));
        });
        this.releases.get(id)?.();
        this.releases.delete(id);
    }

    /** Write at once, so that a reload right afterwards finds it; the browser keeps the order. */
    private write(names: string[], work: (stores: (name: string) => IDBObjectStore) => void): void {
        if (this.database === null) {
            return;
        }
        try {
            const transaction = this.database.transaction(names, "readwrite");
            transaction.onabort = () => this.fail();
            work((name) => transaction.objectStore(name));
            transaction.commit();
        } catch {
            this.fail();
        }
    }

    private fail(): void {
        if (!this.failed) {
            this.failed = true;
            this.onFailed();
        }
    }

    /** Take a picture for this tab. Returns whether no other tab has it. */
    private lock(id: string): Promise<boolean> {
        return new Promise((resolve) => {
            void navigator.locks.request(`${NAME}:${id}`, { ifAvailable: true }, (lock) => {
                resolve(lock !== null);
                return lock === null ? undefined : new Promise<void>((release) => this.releases.set(id, release));
            });
        });
    }
}

function rangeOf(id: string): IDBKeyRange {
    return IDBKeyRange.bound([id], [id, []]);
}

/** An edit without what is worked out again when it is done again. */
function plain(edit: Edit): Edit {
    if (edit.kind === "mask") {
        return edit;
    }
    const variants = edit.variants.map((variant) => ({
        ...variant,
        patches: variant.patches.map(({ before: _before, ...patch }) => patch),
    }));
    return { ...edit, variants };
}
