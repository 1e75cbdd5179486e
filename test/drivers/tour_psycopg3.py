"""tour_psycopg3 - the tour of tour.pl with psycopg 3: extended protocol, binary results, pipelines."""
import os
import sys

import psycopg

DIRECT = os.environ["TOUR_DIRECT"]
POOLED = os.environ["TOUR_POOLED"]


def say(step, *what):
    """Prints one line of the transcript."""
    print(step + ": " + " ".join("null" if w is None else str(w) for w in what))


def attempt(connection, sql, parameters=None):
    """Gives the SQLSTATE of a statement that fails, and whether a hint says what to do."""
    try:
        connection.execute(sql, parameters)
        return ("no error",)
    except psycopg.Error as error:
        return (error.sqlstate, "hint" if error.diag.message_hint else "no hint")


def main():
    """Runs the tour."""
    c = psycopg.connect(DIRECT, autocommit=True)
    say("unbound", *attempt(c, "SELECT count(*) FROM chart"))
    c.execute("SELECT twin_privacy.bind_use(%s, %s)", ("CARE", "it's a round"))
    say("bound", c.execute("SELECT twin_privacy.current_use()").fetchone()[0])
    row = c.execute("SELECT patient_id, value, taken FROM chart WHERE patient_id = %s", (3,), binary=True).fetchone()
    say("parameter", row[0], row[1], row[2])

    query = "SELECT count(*) FROM chart WHERE value >= %s"
    counts = []
    for use in ("CARE", "STUDY", "CARE"):
        c.execute("SELECT twin_privacy.bind_use(%s)", (use,))
        for _ in range(4):
            n = c.execute(query, (0,), prepare=True).fetchone()[0]
        counts.append(n)
    say("prepared", *counts)
    c.execute("SELECT twin_privacy.unbind_use()")
    say("prepared unbound", *attempt(c, query, (0,)))

    with psycopg.connect(DIRECT) as t:
        t.execute("SELECT set_config('twin_privacy.use', %s, true)", ("STUDY",))
        say("transaction", t.execute("SELECT count(*) FROM chart").fetchone()[0])
        t.commit()
        say("after commit", *attempt(t, "SELECT count(*) FROM chart"))
        t.rollback()

    c.execute("SELECT twin_privacy.bind_use(%s)", ("STUDY",))
    say("masked", *c.execute("SELECT count(*) FILTER (WHERE note = 'REDACTED'), count(DISTINCT patient_id), bool_or(patient_id BETWEEN 1 AND 10) FROM chart").fetchone())
    say("write outside", *attempt(c, "UPDATE chart SET value = %s", (1,)))
    say("copy in outside", *attempt(c, "COPY chart FROM STDIN"))
    say("unknown use", *attempt(c, "SELECT twin_privacy.bind_use(%s)", ("NOBODYS",)))
    c.execute("SELECT twin_privacy.bind_use(%s)", ("CARE",))
    with c.cursor() as cur:
        cur.executemany("INSERT INTO chart (patient_id, value) VALUES (%s, %s)", [(1, 101), (2, 102), (3, 103)])
    say("batch", c.execute("SELECT count(*) FROM chart WHERE value > 100").fetchone()[0])
    c.execute("DELETE FROM chart WHERE value > 100")
    with c.cursor() as cur, cur.copy("COPY (SELECT patient_id, value FROM chart ORDER BY 1) TO STDOUT") as copy:
        say("copy out", sum(1 for _ in copy.rows()))
    with c.cursor() as cur:
        with cur.copy("COPY chart (patient_id, value) FROM STDIN") as copy:
            copy.write_row((4, 104))
    say("copy in", c.execute("SELECT count(*) FROM chart WHERE value = 104").fetchone()[0])
    c.execute("DELETE FROM chart WHERE value > 100")

    with psycopg.connect(DIRECT) as t:
        t.execute("SELECT set_config('twin_privacy.use', 'CARE', true)")
        with t.cursor(name="pages") as cur:
            cur.itersize = 2
            cur.execute("SELECT value FROM chart ORDER BY value")
            say("cursor", sum(r[0] for r in cur))
    cur = c.execute("SELECT * FROM chart LIMIT 0")
    say("metadata", *[d.name for d in cur.description])

    one, two = (psycopg.connect(POOLED, prepare_threshold=None) for _ in range(2))
    seen = []
    for connection, use, actor in ((one, "CARE", "anna"), (two, "STUDY", "bert"), (one, "CARE", "anna")):
        connection.execute("SELECT set_config('twin_privacy.use', %s, true), set_config('twin_privacy.actor', %s, true)", (use, actor))
        seen.append(connection.execute("SELECT count(*) FROM chart").fetchone()[0])
        connection.commit()
    say("pooled", *seen)
    say("pooled unbound", *attempt(two, "SELECT count(*) FROM chart"))
    two.rollback()
    say("own records", *c.execute("SELECT count(*) FILTER (WHERE actor = 'anna'), count(*) FILTER (WHERE actor = 'bert'), count(*) FILTER (WHERE justification = %s) > 0 "
                                  "FROM twin_privacy.disclosures WHERE outcome = 'done'", ("it's a round",)).fetchone())


sys.exit(main())
