# Neighbours: statistics and plan loggers in both load orders, and clients that
# ask the catalogs.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Attack;
use TwinPrivacy::Cluster;

my $dir = "$ENV{TWIN_PRIVACY_SRC}/test/attack";
my $canary = $TwinPrivacy::Attack::identity;

foreach my $order (
	'twin_privacy, pg_stat_statements, auto_explain',
	'auto_explain, pg_stat_statements, twin_privacy')
{
	my $name = $order =~ /^twin/ ? 'first' : 'last';
	my $node = TwinPrivacy::Cluster->new_node(
		$name,

		conf => qq{
shared_preload_libraries = '$order'
compute_query_id = on
wal_level = logical
pg_stat_statements.track = all
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_triggers = on
auto_explain.log_nested_statements = on
});
	TwinPrivacy::Attack::set_up($node, $dir);
	$node->safe_psql('closed', 'CREATE EXTENSION pg_stat_statements');

	# PostgreSQL has few places for who listens to changes of the catalogs, and needs some itself
	is( $node->safe_psql('closed', q{
			CREATE TABLE public.plain (x int);
			CREATE PUBLICATION plain FOR TABLE public.plain;
			DO $$BEGIN PERFORM pg_create_logical_replication_slot('plain', 'pgoutput'); END$$;
			INSERT INTO public.plain VALUES (1);
			SELECT row(1, 'a') = row(1, 'b'), pg_filenode_relation(0, 0) IS NULL, count(*) > 0
			FROM pg_logical_slot_get_binary_changes('plain', NULL, NULL, 'proto_version', '1', 'publication_names', 'plain')}),
		'f|t|t', "$name: changes of other tables are replicated");
	$node->safe_psql('closed', "DO \$\$BEGIN PERFORM pg_drop_replication_slot('plain'); END\$\$; DROP PUBLICATION plain; DROP TABLE public.plain");

	my $offset = -s $node->logfile;
	my $out = TwinPrivacy::Attack::say_sql($node, 'closed', 'att_analyst', q{
		SET twin_privacy.use = 'RES';
		SELECT count(name), max(birth) FROM clinic.patient WHERE sex = 'f';
		SELECT p FROM clinic.patient p JOIN clinic.lab_order o ON o.patient_id = p.id;
		PREPARE p AS SELECT genome FROM clinic.patient; EXECUTE p; EXECUTE p;
		DO $$BEGIN PERFORM count(*) FROM clinic.visit; END$$;
		SET twin_privacy.use = '';
		SELECT count(*) FROM clinic.patient;
	});

	like($out, qr/^2\|1971-01-01$/m, "$name: masked answers come out");
	like($out, qr/ERROR:  TP001/, "$name: unbound is refused");
	unlike($out, qr/$canary/, "$name: the client sees no canary");
	unlike(slurp_file($node->logfile, $offset), qr/$canary/, "$name: nor does the log of plans");
	like(slurp_file($node->logfile, $offset), qr/Query Text: SELECT count\(name\)/, "$name: plans are logged");
	is( $node->safe_psql('closed', q{
			SELECT calls, rows FROM pg_stat_statements
			WHERE query LIKE 'SELECT count(name)%' AND dbid = (SELECT oid FROM pg_database WHERE datname = 'closed')}),
		'1|1', "$name: the statement is counted once");
	is( $node->safe_psql('closed', q{
			SELECT calls, rows FROM pg_stat_statements WHERE query LIKE 'PREPARE p AS SELECT genome%'}),
		'2|6', "$name: so are executions of a prepared one");
	TwinPrivacy::Attack::say_sql($node, 'closed', 'att_doc', q{
		SET twin_privacy.use = 'CARE';
		UPDATE clinic.patient SET extra = extra;
		EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM clinic.patient;});
	unlike(slurp_file($node->logfile, $offset), qr/$TwinPrivacy::Attack::never/, "$name: nor on writes");
	$node->stop;
}

# Clients that look around before anybody has bound a use.
my $node = TwinPrivacy::Cluster->new_node('clients');
TwinPrivacy::Attack::set_up($node, $dir);
my @commands = (
	map({ ("\\$_", "\\$_+") } qw(d dt dv dm di ds dn df du l dx dT do dp dc dC dd dD ddp dE des deu dew det dF dL
		dg dO dP drds dRp dX dy), 'dA'), '\dconfig *privacy*',
	map({ ("\\d $_", "\\d+ $_") } qw(clinic.patient clinic.visit clinic.visit_1 clinic.base clinic.derived
		twin_privacy.* clinic.*)),
	'\dt clinic.*', '\sf twin_privacy.check_protection', '\sv twin_privacy.protected_tables', '\z clinic.*');
foreach my $who ('owner', 'doc', 'nobody', 'reader')
{
	my $out = TwinPrivacy::Attack::say_sql($node, 'closed', "att_$who", join("\n", @commands));

	unlike($out, qr/ERROR/, "psql's commands work unbound for $who");
	unlike($out, qr/$canary/, "and tell nothing to $who");
}

# What pgjdbc and pgAdmin ask for (their catalogue queries, written down short).
my %queries = (
	'JDBC getTables' => q{
		SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME,
		  CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema' WHEN true THEN 'SYSTEM TABLE' ELSE 'TABLE' END AS TABLE_TYPE,
		  d.description AS REMARKS
		FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c
		  LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass)
		WHERE c.relnamespace = n.oid AND c.relname LIKE 'patient' AND c.relkind IN ('r', 'p') ORDER BY TABLE_TYPE, TABLE_SCHEM, TABLE_NAME},
	'JDBC getColumns' => q{
		SELECT * FROM (SELECT n.nspname, c.relname, a.attname, a.atttypid, a.attnotnull OR (t.typtype = 'd' AND t.typnotnull) AS attnotnull,
		  a.atttypmod, a.attlen, t.typtypmod, row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS attnum,
		  nullif(a.attidentity, '') AS attidentity, nullif(a.attgenerated, '') AS attgenerated,
		  pg_catalog.pg_get_expr(def.adbin, def.adrelid) AS adsrc, dsc.description, t.typbasetype, t.typtype
		FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid)
		  JOIN pg_catalog.pg_attribute a ON (a.attrelid = c.oid) JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)
		  LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid = def.adrelid AND a.attnum = def.adnum)
		  LEFT JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
		WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname LIKE 'clinic') c
		ORDER BY nspname, c.relname, attnum},
	'JDBC getPrimaryKeys' => q{
		SELECT n.nspname, ct.relname, a.attname, (information_schema._pg_expandarray(i.indkey)).n AS key_seq, ci.relname
		FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
		  JOIN pg_catalog.pg_namespace n ON (ct.relnamespace = n.oid)
		  JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid) JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid)
		WHERE ct.relname = 'patient' AND i.indisprimary},
	'JDBC getImportedKeys' => q{
		SELECT pkn.nspname, pkc.relname, pka.attname, fkc.relname, fka.attname, pos.n, con.confupdtype, con.confdeltype, con.conname
		FROM pg_catalog.pg_namespace pkn, pg_catalog.pg_class pkc, pg_catalog.pg_attribute pka, pg_catalog.pg_class fkc,
		  pg_catalog.pg_attribute fka, pg_catalog.pg_constraint con, pg_catalog.generate_series(1, 32) pos(n)
		WHERE pkn.oid = pkc.relnamespace AND pkc.oid = pka.attrelid AND pka.attnum = con.confkey[pos.n] AND con.confrelid = pkc.oid
		  AND fkc.oid = fka.attrelid AND fka.attnum = con.conkey[pos.n] AND con.conrelid = fkc.oid AND con.contype = 'f'},
	'JDBC prepares a statement' => q{PREPARE s AS SELECT * FROM clinic.lab_order WHERE id = $1; SELECT name, parameter_types FROM pg_prepared_statements},
	'pgAdmin table properties' => q{
		SELECT rel.oid, rel.relname, rel.reltuples, rel.relnamespace, pg_get_userbyid(rel.relowner), con.conname, rel.relrowsecurity,
		  rel.relforcerowsecurity, (SELECT count(*) FROM pg_trigger WHERE tgrelid = rel.oid AND NOT tgisinternal),
		  (SELECT pg_catalog.array_agg(provider || '=' || label) FROM pg_catalog.pg_seclabels sl1 WHERE sl1.objoid = rel.oid AND sl1.objsubid = 0),
		  pg_catalog.pg_size_pretty(pg_catalog.pg_total_relation_size(rel.oid))
		FROM pg_class rel LEFT JOIN pg_constraint con ON con.conrelid = rel.oid AND con.contype = 'p'
		WHERE rel.relkind IN ('r', 's', 't', 'p') AND rel.relnamespace = 'clinic'::regnamespace},
	'pgAdmin statistics tab' => q{
		SELECT * FROM pg_stat_all_tables st JOIN pg_statio_all_tables USING (relid) WHERE st.schemaname = 'clinic'},
	'pgAdmin column statistics' => q{SELECT null_frac, avg_width, n_distinct, most_common_vals, correlation FROM pg_stats WHERE schemaname = 'clinic'},
	'DBeaver and information_schema' => q{
		SELECT * FROM information_schema.tables WHERE table_schema = 'clinic';
		SELECT * FROM information_schema.columns WHERE table_schema = 'clinic';
		SELECT * FROM information_schema.table_constraints WHERE table_schema = 'clinic';
		SELECT * FROM information_schema.role_table_grants WHERE table_schema = 'clinic';
		SELECT * FROM information_schema.views WHERE table_schema = 'twin_privacy'},
	'ORM introspection' => q{
		SELECT pg_get_tabledef FROM (SELECT pg_catalog.pg_get_indexdef(indexrelid) AS pg_get_tabledef FROM pg_index WHERE indrelid = 'clinic.patient'::regclass) x;
		SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'clinic.lab_order'::regclass;
		SELECT obj_description('clinic.patient'::regclass), col_description('clinic.patient'::regclass, 1);
		SELECT has_table_privilege('clinic.patient', 'SELECT'), to_regclass('clinic.patient'), format_type(23, -1)});
foreach my $who ('owner', 'nobody')
{
	foreach my $name (sort keys %queries)
	{
		my $out = TwinPrivacy::Attack::say_sql($node, 'closed', "att_$who", $queries{$name});

		unlike($out, qr/ERROR/, "$name works unbound for $who");
		unlike($out, qr/$canary/, "$name tells nothing to $who");
	}
}
$node->stop;
done_testing();
