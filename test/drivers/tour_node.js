// tour_node - the tour of tour.pl with node-postgres: extended protocol, named statements.
'use strict';
const { once } = require('events');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const pg = require('pg');
const Cursor = require('pg-cursor');
const { from: copyFrom, to: copyTo } = require('pg-copy-streams');

pg.types.setTypeParser(20, Number); // bigint: the counts here are small
pg.types.setTypeParser(1082, (text) => text); // dates as the server prints them

// Prints one line of the transcript.
function say(step, ...what) {
  console.log(`${step}: ${what.map((w) => (w === null ? 'null' : w)).join(' ')}`);
}

// Opens a client on a URL of the environment.
async function connect(name) {
  const client = new pg.Client(process.env[name]);
  await client.connect();
  return client;
}

// Runs a statement and gives its rows as arrays.
async function run(client, text, values) {
  return (await client.query({ text, values, rowMode: 'array' })).rows;
}

// Gives the SQLSTATE of what fails, and whether a hint says what to do.
async function failure(promise) {
  try {
    await promise;
    return ['no error'];
  } catch (error) {
    return [error.code, error.hint ? 'hint' : 'no hint'];
  }
}

// Runs the tour.
async function main() {
  const c = await connect('TOUR_DIRECT_URL');
  say('unbound', ...(await failure(run(c, 'SELECT count(*) FROM chart'))));
  await run(c, 'SELECT twin_privacy.bind_use($1, $2)', ['CARE', "it's a round"]);
  say('bound', ...(await run(c, 'SELECT twin_privacy.current_use()'))[0]);
  say('parameter', ...(await run(c, 'SELECT patient_id, value, taken FROM chart WHERE patient_id = $1', [3]))[0]);

  const counted = { name: 'counted', text: 'SELECT count(*) AS n FROM chart WHERE value >= $1', values: [0] };
  const counts = [];
  for (const use of ['CARE', 'STUDY', 'CARE']) {
    await run(c, 'SELECT twin_privacy.bind_use($1)', [use]);
    let n;
    for (let i = 0; i < 4; i++) n = (await c.query(counted)).rows[0].n;
    counts.push(n);
  }
  say('prepared', ...counts);
  await run(c, 'SELECT twin_privacy.unbind_use()');
  say('prepared unbound', ...(await failure(c.query(counted))));

  const t = await connect('TOUR_DIRECT_URL');
  await run(t, 'BEGIN');
  await run(t, "SELECT set_config('twin_privacy.use', $1, true)", ['STUDY']);
  say('transaction', ...(await run(t, 'SELECT count(*) FROM chart'))[0]);
  await run(t, 'COMMIT');
  say('after commit', ...(await failure(run(t, 'SELECT count(*) FROM chart'))));

  await run(c, 'SELECT twin_privacy.bind_use($1)', ['STUDY']);
  const masked = "SELECT count(*) FILTER (WHERE note = 'REDACTED'), count(DISTINCT patient_id), bool_or(patient_id BETWEEN 1 AND 10) FROM chart";
  say('masked', ...(await run(c, masked))[0].map((v) => (v === false ? 'False' : v)));
  say('write outside', ...(await failure(run(c, 'UPDATE chart SET value = $1', [1]))));
  say('copy in outside', ...(await failure(pipeline(Readable.from(['1\t1\n']), c.query(copyFrom('COPY chart FROM STDIN'))))));
  say('unknown use', ...(await failure(run(c, 'SELECT twin_privacy.bind_use($1)', ['NOBODYS']))));
  await run(c, 'SELECT twin_privacy.bind_use($1)', ['CARE']);
  for (const [patient, value] of [[1, 101], [2, 102], [3, 103]]) {
    await c.query({ name: 'insert', text: 'INSERT INTO chart (patient_id, value) VALUES ($1, $2)', values: [patient, value] });
  }
  say('batch', ...(await run(c, 'SELECT count(*) FROM chart WHERE value > 100'))[0]);
  await run(c, 'DELETE FROM chart WHERE value > 100');
  const out = c.query(copyTo('COPY (SELECT patient_id, value FROM chart ORDER BY 1) TO STDOUT'));
  let text = '';
  out.on('data', (chunk) => { text += chunk; });
  await once(out, 'end');
  say('copy out', text.split('\n').length - 1);
  await pipeline(Readable.from(['4\t104\n']), c.query(copyFrom('COPY chart (patient_id, value) FROM STDIN')));
  say('copy in', ...(await run(c, 'SELECT count(*) FROM chart WHERE value = 104'))[0]);
  await run(c, 'DELETE FROM chart WHERE value > 100');

  await run(t, 'BEGIN');
  await run(t, "SELECT set_config('twin_privacy.use', 'CARE', true)");
  const cursor = t.query(new Cursor('SELECT value FROM chart ORDER BY value'));
  let sum = 0;
  for (let rows = await cursor.read(2); rows.length > 0; rows = await cursor.read(2)) {
    for (const row of rows) sum += row.value;
  }
  await cursor.close();
  await run(t, 'COMMIT');
  say('cursor', sum);
  say('metadata', ...(await c.query('SELECT * FROM chart LIMIT 0')).fields.map((f) => f.name));

  const [one, two] = [await connect('TOUR_POOLED_URL'), await connect('TOUR_POOLED_URL')];
  const seen = [];
  for (const [client, use, actor] of [[one, 'CARE', 'anna'], [two, 'STUDY', 'bert'], [one, 'CARE', 'anna']]) {
    await run(client, 'BEGIN');
    await run(client, "SELECT set_config('twin_privacy.use', $1, true), set_config('twin_privacy.actor', $2, true)", [use, actor]);
    seen.push((await run(client, 'SELECT count(*) FROM chart'))[0][0]);
    await run(client, 'COMMIT');
  }
  say('pooled', ...seen);
  say('pooled unbound', ...(await failure(run(two, 'SELECT count(*) FROM chart'))));
  const mine = `SELECT count(*) FILTER (WHERE actor = 'anna'), count(*) FILTER (WHERE actor = 'bert'), count(*) FILTER (WHERE justification = $1) > 0
    FROM twin_privacy.disclosures WHERE outcome = 'done'`;
  say('own records', ...(await run(c, mine, ["it's a round"]))[0].map((v) => (v === true ? 'True' : v)));
  for (const client of [c, t, one, two]) await client.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
