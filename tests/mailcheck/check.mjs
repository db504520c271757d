// Reads JSON lines {"name", "html"} and answers each with what html-validate and caniemail say of it.
// Runs in .build/mailcheck, beside the node_modules that install.sh has put there.
import { createInterface } from "node:readline";
import { HtmlValidate } from "html-validate";
import { caniemail } from "caniemail";

const CLIENTS = ["gmail.*", "outlook.*", "apple-mail.*"];
const validate = new HtmlValidate({
  root: true,
  extends: ["html-validate:standard"],
  rules: {
    "no-deprecated-attr": "off", // align, bgcolor, border, cellpadding: Outlook's Word engine knows nothing else
    "no-inline-style": "off", // Gmail drops style sheets that it finds too long
    "attribute-boolean-style": "off",
    "long-title": "off", // the headline of an item
    "no-trailing-whitespace": "off",
    "tel-non-breaking": "off", // an invoice number looks like one
  },
});

for await (const line of createInterface({ input: process.stdin })) {
  const { name, html } = JSON.parse(line);
  const report = await validate.validateString(html);
  const valid = report.results.flatMap((result) =>
    result.messages.map((found) => `${found.ruleId}: ${found.message} (line ${found.line})`),
  );
  const { issues } = caniemail({ clients: CLIENTS, html });
  const drawable = [...issues.errors.values()].flat().map((one) => `${one.title}`);
  console.log(JSON.stringify({ name, valid, drawable: [...new Set(drawable)].sort() }));
}
