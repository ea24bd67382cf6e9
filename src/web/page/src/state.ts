/*
 * state.ts - what the address says is what is shown: #view?key=value. Whoever opens a link sees the same.
 */
import { useEffect, useState } from "preact/hooks";

export interface Address {
    view: string;
    fields: URLSearchParams;
}

export function readAddress(hash: string): Address {
    const [view, rest] = hash.replace(/^#\/?/, "").split("?", 2);
    return { view: view || "overview", fields: new URLSearchParams(rest ?? "") };
}

/* Fields with an empty value are left out. `replace`: without a step in the history. */
export function go(view: string, fields: Record<string, string>, replace = false): void {
    const kept = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) if (value) kept.set(name, value);
    const text = kept.toString();
    const hash = `#${view}${text ? "?" + text : ""}`;
    if (hash === location.hash) return;
    if (replace) {
        history.replaceState(null, "", hash);
        dispatchEvent(new HashChangeEvent("hashchange"));
    } else {
        location.hash = hash;
    }
}

export function useAddress(): Address {
    const [hash, setHash] = useState(location.hash);
    useEffect(() => {
        const changed = () => setHash(location.hash);
        addEventListener("hashchange", changed);
        return () => removeEventListener("hashchange", changed);
    }, []);
    return readAddress(hash);
}

/* What is this browser's and no link's: the theme, local time or UTC. */
export function useKept(name: string, fallback: string): [string, (value: string) => void] {
    const key = "nodevitals." + name;
    const [value, setValue] = useState(() => {
        try {
            return localStorage.getItem(key) ?? fallback;
        } catch {
            return fallback;
        }
    });
    return [
        value,
        (next) => {
            setValue(next);
            try {
                localStorage.setItem(key, next);
            } catch {
                /* it lasts as long as the tab */
            }
        },
    ];
}
