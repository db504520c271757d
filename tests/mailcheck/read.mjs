// Reads JSON lines {"name", "raw" (base64)} and answers each with the headers as a mail program understands them.
// Runs in .build/mailcheck, beside the node_modules that install.sh has put there.
import { createInterface } from "node:readline";
import { simpleParser } from "mailparser";

const addresses = (field) => (field?.value ?? []).map(({ name, address }) => [name, address]);

for await (const line of createInterface({ input: process.stdin })) {
  const { name, raw } = JSON.parse(line);
  const mail = await simpleParser(Buffer.from(raw, "base64"), { skipImageLinks: true, skipTextToHtml: true });
  const list = mail.headers.get("list") ?? {};
  const read = {
    name,
    subject: mail.subject ?? "",
    from: addresses(mail.from),
    to: addresses(mail.to),
    ids: [mail.messageId, mail.inReplyTo, ...[mail.references ?? []].flat()].filter(Boolean),
    list: list.id?.name ?? null,
    unsubscribe: list.unsubscribe?.url ?? null,
    oneClick: list["unsubscribe-post"]?.name ?? null,
    files: mail.attachments.map(({ filename, cid }) => [filename ?? "", cid ?? ""]),
    text: mail.text ?? "",
  };
  console.log(JSON.stringify(read));
}
