// nodemailer's pool of 10 connections with handlebars templates; no database, the digests are in memory.
// node pool.cjs FILE: {port, size, sender, html, txt, messages: [{to, subject, headers, context}]}
"use strict";
const fs = require("fs");
const Handlebars = require("handlebars");
const nodemailer = require("nodemailer");

const CONNECTIONS = 10;
const job = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const text = Handlebars.compile(job.txt, { noEscape: true });

function mail(html, message) {
  return {
    from: job.sender,
    to: message.to,
    subject: message.subject,
    headers: message.headers,
    text: text(message.context),
    html: html(message.context),
  };
}

async function sizeOf(html) {
  const desk = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  return (await desk.sendMail(mail(html, job.messages[0]))).message.length;
}

function padded(count) {
  const line = "as long a comment as it takes, so that every peer sends just as many\n";
  return Handlebars.compile(job.html.replace("PADDING", line.repeat(count / line.length + 1).slice(0, Math.max(0, count))));
}

async function main() {
  const html = padded(job.size - (await sizeOf(padded(0))));
  const size = await sizeOf(html);
  const pool = nodemailer.createTransport({
    host: "127.0.0.1",
    port: job.port,
    ignoreTLS: true,
    pool: true,
    maxConnections: CONNECTIONS,
    maxMessages: Infinity,
  });
  const began = process.hrtime.bigint();
  const cpuBegan = process.cpuUsage();
  let next = 0;
  // As many lanes as keep the pool busy: composing everything at once would only fill the memory.
  const lane = async () => {
    while (next < job.messages.length) await pool.sendMail(mail(html, job.messages[next++]));
  };
  await Promise.all(Array.from({ length: CONNECTIONS * 2 }, lane));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const cpu = process.cpuUsage(cpuBegan);
  pool.close();
  const sent = job.messages.length;
  console.log(JSON.stringify({ sent, seconds, size, cpu_ms: (cpu.user + cpu.system) / 1000 / sent }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
