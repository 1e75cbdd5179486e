// TourJdbc - the tour of tour.pl with PostgreSQL's JDBC driver: extended protocol,
// server-side statements, batches, fetch size.

import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

public class TourJdbc {
    /** What may fail. */
    interface Action {
        void run() throws Exception;
    }

    /** Prints one line of the transcript. */
    static void say(String step, Object... what) {
        StringBuilder line = new StringBuilder(step).append(":");
        for (Object w : what) {
            line.append(' ').append(w instanceof Boolean ? ((Boolean) w ? "True" : "False") : w);
        }
        System.out.println(line);
    }

    /** Gives the first row of a query as objects. */
    static Object[] row(Connection c, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                s.setObject(i + 1, parameters[i]);
            }
            if (!s.execute()) {
                return null;
            }
            try (ResultSet r = s.getResultSet()) {
                r.next();
                Object[] values = new Object[r.getMetaData().getColumnCount()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = r.getObject(i + 1);
                }
                return values;
            }
        }
    }

    /** Says how something fails: the SQLSTATE, and whether a hint says what to do. */
    static void sayFailure(String step, Action action) throws Exception {
        try {
            action.run();
            say(step, "no error");
        } catch (PSQLException e) {
            say(step, e.getSQLState(), e.getServerErrorMessage() != null && e.getServerErrorMessage().getHint() != null ? "hint" : "no hint");
        }
    }

    /** Direct connections: binding, statements that outlive it, errors. */
    static void statements(Connection c) throws Exception {
        sayFailure("unbound", () -> row(c, "SELECT count(*) FROM chart"));
        row(c, "SELECT twin_privacy.bind_use(?, ?)", "CARE", "it's a round");
        say("bound", row(c, "SELECT twin_privacy.current_use()"));
        say("parameter", row(c, "SELECT patient_id, value, taken FROM chart WHERE patient_id = ?", 3));
        try (PreparedStatement s = c.prepareStatement("SELECT count(*) FROM chart WHERE value >= ?")) {
            List<Object> counts = new ArrayList<>();
            s.setInt(1, 0);
            for (String use : new String[] {"CARE", "STUDY", "CARE"}) {
                row(c, "SELECT twin_privacy.bind_use(?)", use);
                long n = -1;
                for (int i = 0; i < 8; i++) {
                    try (ResultSet r = s.executeQuery()) {
                        r.next();
                        n = r.getLong(1);
                    }
                }
                counts.add(n);
            }
            say("prepared", counts.toArray());
            row(c, "SELECT twin_privacy.unbind_use()");
            sayFailure("prepared unbound", s::executeQuery);
        }
    }

    /** A binding for one transaction. */
    static void transaction(Connection t) throws Exception {
        t.setAutoCommit(false);
        row(t, "SELECT set_config('twin_privacy.use', ?, true)", "STUDY");
        say("transaction", row(t, "SELECT count(*) FROM chart"));
        t.commit();
        sayFailure("after commit", () -> row(t, "SELECT count(*) FROM chart"));
        t.rollback();
    }

    /** Masks, refusals, batches and COPY. */
    static void data(Connection c) throws Exception {
        CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
        row(c, "SELECT twin_privacy.bind_use(?)", "STUDY");
        say("masked", row(c, "SELECT count(*) FILTER (WHERE note = 'REDACTED'), count(DISTINCT patient_id), bool_or(patient_id BETWEEN 1 AND 10) FROM chart"));
        sayFailure("write outside", () -> row(c, "UPDATE chart SET value = ?", 1));
        sayFailure("copy in outside", () -> copy.copyIn("COPY chart FROM STDIN", new StringReader("1\t1\n")));
        sayFailure("unknown use", () -> row(c, "SELECT twin_privacy.bind_use(?)", "NOBODYS"));
        row(c, "SELECT twin_privacy.bind_use(?)", "CARE");
        try (PreparedStatement s = c.prepareStatement("INSERT INTO chart (patient_id, value) VALUES (?, ?)")) {
            for (int i = 1; i <= 3; i++) {
                s.setInt(1, i);
                s.setInt(2, 100 + i);
                s.addBatch();
            }
            s.executeBatch();
        }
        say("batch", row(c, "SELECT count(*) FROM chart WHERE value > 100"));
        row(c, "DELETE FROM chart WHERE value > 100");
        StringWriter out = new StringWriter();
        say("copy out", copy.copyOut("COPY (SELECT patient_id, value FROM chart ORDER BY 1) TO STDOUT", out));
        copy.copyIn("COPY chart (patient_id, value) FROM STDIN", new StringReader("4\t104\n"));
        say("copy in", row(c, "SELECT count(*) FROM chart WHERE value = 104"));
        row(c, "DELETE FROM chart WHERE value > 100");
    }

    /** Fetching page by page, and what the driver tells about a table. */
    static void pages(Connection c, Connection t) throws Exception {
        row(t, "SELECT set_config('twin_privacy.use', 'CARE', true)");
        long sum = 0;
        try (Statement s = t.createStatement()) {
            s.setFetchSize(2);
            try (ResultSet r = s.executeQuery("SELECT value FROM chart ORDER BY value")) {
                while (r.next()) {
                    sum += r.getLong(1);
                }
            }
        }
        t.commit();
        say("cursor", sum);
        List<Object> columns = new ArrayList<>();
        try (ResultSet r = c.getMetaData().getColumns(null, "public", "chart", "%")) {
            while (r.next()) {
                columns.add(r.getString("COLUMN_NAME"));
            }
        }
        say("metadata", columns.toArray());
    }

    /** Two clients that share one server connection. */
    static void pooled(String url) throws Exception {
        Connection one = DriverManager.getConnection(url + "&prepareThreshold=0");
        Connection two = DriverManager.getConnection(url + "&prepareThreshold=0");
        List<Object> seen = new ArrayList<>();
        one.setAutoCommit(false);
        two.setAutoCommit(false);
        for (int i = 0; i < 3; i++) {
            Connection client = i == 1 ? two : one;
            row(client, "SELECT set_config('twin_privacy.use', ?, true), set_config('twin_privacy.actor', ?, true)",
                i == 1 ? "STUDY" : "CARE", i == 1 ? "bert" : "anna");
            seen.add(row(client, "SELECT count(*) FROM chart")[0]);
            client.commit();
        }
        say("pooled", seen.toArray());
        sayFailure("pooled unbound", () -> row(two, "SELECT count(*) FROM chart"));
        two.rollback();
    }

    /** Runs the tour. */
    public static void main(String[] arguments) throws Exception {
        String direct = System.getenv("TOUR_DIRECT_JDBC");
        Connection c = DriverManager.getConnection(direct);
        Connection t = DriverManager.getConnection(direct);
        statements(c);
        transaction(t);
        data(c);
        pages(c, t);
        pooled(System.getenv("TOUR_POOLED_JDBC"));
        say("own records", row(c, "SELECT count(*) FILTER (WHERE actor = 'anna'), count(*) FILTER (WHERE actor = 'bert'), count(*) FILTER (WHERE justification = ?) > 0 "
            + "FROM twin_privacy.disclosures WHERE outcome = 'done'", "it's a round"));
    }
}
