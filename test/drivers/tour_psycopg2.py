"""tour_psycopg2 - the tour of tour.pl with psycopg 2: simple protocol, client-side parameters."""
import io
import os
import sys

import psycopg2

DIRECT = os.environ["TOUR_DIRECT"]
POOLED = os.environ["TOUR_POOLED"]


def say(step, *what):
    """Prints one line of the transcript."""
    print(step + ": " + " ".join("null" if w is None else str(w) for w in what))


def run(connection, sql, parameters=None):
    """Runs a statement and gives its rows."""
    with connection.cursor() as cur:
        cur.execute(sql, parameters)
        return cur.fetchall() if cur.description else None


def failure(error):
    """Gives an error's SQLSTATE, and whether a hint says what to do."""
    return (error.pgcode, "hint" if error.diag.message_hint else "no hint")


def attempt(connection, sql, parameters=None):
    """Gives how a statement fails."""
    try:
        run(connection, sql, parameters)
        return ("no error",)
    except psycopg2.Error as error:
        return failure(error)


def main():
    """Runs the tour."""
    c = psycopg2.connect(DIRECT)
    c.autocommit = True
    say("unbound", *attempt(c, "SELECT count(*) FROM chart"))
    run(c, "SELECT twin_privacy.bind_use(%s, %s)", ("CARE", "it's a round"))
    say("bound", *run(c, "SELECT twin_privacy.current_use()")[0])
    say("parameter", *run(c, "SELECT patient_id, value, taken FROM chart WHERE patient_id = %s", (3,))[0])

    run(c, "PREPARE counted(int) AS SELECT count(*) FROM chart WHERE value >= $1")
    counts = []
    for use in ("CARE", "STUDY", "CARE"):
        run(c, "SELECT twin_privacy.bind_use(%s)", (use,))
        for _ in range(4):
            n = run(c, "EXECUTE counted(%s)", (0,))[0][0]
        counts.append(n)
    say("prepared", *counts)
    run(c, "SELECT twin_privacy.unbind_use()")
    say("prepared unbound", *attempt(c, "EXECUTE counted(%s)", (0,)))

    t = psycopg2.connect(DIRECT)
    run(t, "SELECT set_config('twin_privacy.use', %s, true)", ("STUDY",))
    say("transaction", *run(t, "SELECT count(*) FROM chart")[0])
    t.commit()
    say("after commit", *attempt(t, "SELECT count(*) FROM chart"))
    t.rollback()

    run(c, "SELECT twin_privacy.bind_use(%s)", ("STUDY",))
    say("masked", *run(c, "SELECT count(*) FILTER (WHERE note = 'REDACTED'), count(DISTINCT patient_id), bool_or(patient_id BETWEEN 1 AND 10) FROM chart")[0])
    say("write outside", *attempt(c, "UPDATE chart SET value = %s", (1,)))
    with c.cursor() as cur:
        try:
            cur.copy_expert("COPY chart FROM STDIN", io.StringIO("1\t1\n"))
            say("copy in outside", "no error")
        except psycopg2.Error as error:
            say("copy in outside", *failure(error))
    say("unknown use", *attempt(c, "SELECT twin_privacy.bind_use(%s)", ("NOBODYS",)))
    run(c, "SELECT twin_privacy.bind_use(%s)", ("CARE",))
    with c.cursor() as cur:
        cur.executemany("INSERT INTO chart (patient_id, value) VALUES (%s, %s)", [(1, 101), (2, 102), (3, 103)])
    say("batch", *run(c, "SELECT count(*) FROM chart WHERE value > 100")[0])
    run(c, "DELETE FROM chart WHERE value > 100")
    with c.cursor() as cur:
        out = io.StringIO()
        cur.copy_expert("COPY (SELECT patient_id, value FROM chart ORDER BY 1) TO STDOUT", out)
        say("copy out", out.getvalue().count("\n"))
        cur.copy_expert("COPY chart (patient_id, value) FROM STDIN", io.StringIO("4\t104\n"))
    say("copy in", *run(c, "SELECT count(*) FROM chart WHERE value = 104")[0])
    run(c, "DELETE FROM chart WHERE value > 100")

    run(t, "SELECT set_config('twin_privacy.use', 'CARE', true)")
    with t.cursor(name="pages") as cur:
        cur.itersize = 2
        cur.execute("SELECT value FROM chart ORDER BY value")
        say("cursor", sum(r[0] for r in cur))
    t.commit()
    with c.cursor() as cur:
        cur.execute("SELECT * FROM chart LIMIT 0")
        say("metadata", *[d.name for d in cur.description])

    one, two = psycopg2.connect(POOLED), psycopg2.connect(POOLED)
    seen = []
    for connection, use, actor in ((one, "CARE", "anna"), (two, "STUDY", "bert"), (one, "CARE", "anna")):
        run(connection, "SELECT set_config('twin_privacy.use', %s, true), set_config('twin_privacy.actor', %s, true)", (use, actor))
        seen.append(run(connection, "SELECT count(*) FROM chart")[0][0])
        connection.commit()
    say("pooled", *seen)
    say("pooled unbound", *attempt(two, "SELECT count(*) FROM chart"))
    two.rollback()
    say("own records", *run(c, "SELECT count(*) FILTER (WHERE actor = 'anna'), count(*) FILTER (WHERE actor = 'bert'), count(*) FILTER (WHERE justification = %s) > 0 "
                               "FROM twin_privacy.disclosures WHERE outcome = 'done'", ("it's a round",))[0])


sys.exit(main())
