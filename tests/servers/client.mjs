// Sends one message by nodemailer, or reads the last one by imapflow.
//
// Not a test by itself: real_clients.rs runs it and compares what arrived.

import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';
import nodemailer from 'nodemailer';

const [what, path, ca, user, pass, mailbox, port, encryption] = process.argv.slice(2);
const message = readFileSync(path);
const common = {
  host: 'localhost',
  port: Number(port),
  secure: encryption === 'implicit',
  auth: { user, pass },
  tls: { ca: readFileSync(ca) },
};

async function send() {
  const transport = nodemailer.createTransport({ ...common, requireTLS: true });
  await transport.sendMail({ envelope: { from: mailbox, to: [mailbox] }, raw: message });
  transport.close();
}

async function read() {
  const client = new ImapFlow({ ...common, doSTARTTLS: encryption !== 'implicit', logger: false });
  await client.connect();
  await client.mailboxOpen('INBOX');
  const { source } = await client.fetchOne('*', { source: true });
  if (!source.equals(message)) throw new Error(`other bytes: ${source.length} and not ${message.length}`);
  await client.logout();
}

await { send, read }[what]();
