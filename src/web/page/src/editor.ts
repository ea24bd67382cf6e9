/*
 * editor.ts - the editor of expressions: CodeMirror with PromQL, completed and checked by what the agent itself knows. A
 * file of its own, loaded when an expression is first to be written.
 *
 * It lives in a shadow tree: there CodeMirror's styles are style sheets made by script, which the page's policy allows;
 * elsewhere they would be style elements, which it does not.
 */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap } from "@codemirror/lint";
import { EditorState, Prec } from "@codemirror/state";
import { EditorView, keymap, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { PromQLExtension } from "@prometheus-io/codemirror-promql";

export interface Editor {
    text: () => string;
    set: (text: string) => void;
    focus: () => void;
    destroy: () => void;
}

const colors = HighlightStyle.define([
    { tag: tags.keyword, color: "var(--code-keyword)" },
    { tag: tags.function(tags.variableName), color: "var(--code-function)" },
    { tag: tags.string, color: "var(--code-string)" },
    { tag: tags.number, color: "var(--code-number)" },
    { tag: tags.labelName, color: "var(--code-label)" },
    { tag: tags.operator, color: "var(--code-keyword)" },
    { tag: tags.modifier, color: "var(--code-keyword)" },
    { tag: tags.comment, color: "var(--text-dim)" },
    { tag: tags.invalid, color: "var(--bad)" },
]);

const theme = EditorView.theme({
    "&": { color: "var(--text)", backgroundColor: "transparent", fontSize: "14px" },
    "&.cm-focused": { outline: "none" },
    ".cm-content": { fontFamily: "ui-monospace, monospace", padding: "9px 0", caretColor: "var(--text)" },
    ".cm-cursor": { borderLeftColor: "var(--text)" },
    ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { backgroundColor: "var(--select)" },
    ".cm-placeholder": { color: "var(--text-dim)" },
    ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--text)", border: "1px solid var(--line)" },
    ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
    ".cm-completionDetail": { color: "var(--text-dim)", fontStyle: "normal" },
    ".cm-completionInfo": { maxWidth: "40ch" },
    ".cm-diagnostic": { padding: "4px 8px" },
    ".cm-matchingBracket": { outline: "1px solid var(--text-dim)", backgroundColor: "transparent" },
});

export function open(host: HTMLElement, text: string, run: () => void): Editor {
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const holder = document.createElement("div");
    const promql = new PromQLExtension().setComplete({ remote: { url: location.pathname.replace(/\/$/, ""), httpMethod: "GET" } });
    root.replaceChildren(holder);
    const view = new EditorView({
        parent: holder,
        root,
        state: EditorState.create({
            doc: text,
            extensions: [
                Prec.highest(
                    keymap.of([
                        {
                            key: "Enter",
                            run: () => {
                                run();
                                return true;
                            },
                        },
                        { key: "Shift-Enter", run: (at) => (at.dispatch(at.state.replaceSelection("\n")), true) },
                    ]),
                ),
                history(),
                bracketMatching(),
                closeBrackets(),
                autocompletion(),
                EditorView.lineWrapping,
                EditorView.contentAttributes.of({ "aria-label": "expression in PromQL" }),
                placeholder("an expression, such as rate(node_network_receive_bytes_total[1m])"),
                syntaxHighlighting(colors),
                theme,
                promql.asExtension(),
                keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
                Prec.lowest(keymap.of([{ key: "Escape", run: (at) => (at.contentDOM.blur(), true) }])), /* the keys of the page work again */
            ],
        }),
    });
    return {
        text: () => view.state.doc.toString(),
        set: (next) => {
            if (next !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } });
        },
        focus: () => view.focus(),
        destroy: () => view.destroy(),
    };
}
