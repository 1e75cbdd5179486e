# pg_upgrade carries everything from one major version to the next: tables with their
# labels, uses, consents, pseudonyms, keys, and the ledger.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @versions = (15, 17, 18);
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $key = "$dir/master.key";
append_to_file($key, ('5a' x 32) . "\n");
chmod 0600, $key or die;

# Makes a stopped node of a version, preloaded.
sub new_node
{
	my ($version) = @_;
	my $node = PostgreSQL::Test::Cluster->new("pg$version", install_path => "/usr/lib/postgresql/$version");
	$node->init(extra => ['--data-checksums']);
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'twin_privacy'
twin_privacy.master_key_file = '$key'
CONF
	return $node;
}

# Runs SQL as a role and dies on an error.
sub as_role
{
	my ($node, $role, $sql) = @_;
	return $node->safe_psql('clinic', $sql, extra_params => [ '-U', $role ]);
}

# What a reader sees under a use: rows, or the SQLSTATE.
sub seen
{
	my ($node, $use, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('clinic', "\\set VERBOSITY verbose\nSET twin_privacy.use = '$use';\n$sql",
		on_error_stop => 0, extra_params => [ '-U', 'reader' ]);
	return $err =~ /ERROR:  (\w{5}):/ ? $1 : $out;
}

my $old = new_node($versions[0]);
$old->start;
$old->safe_psql('postgres', 'CREATE DATABASE clinic');
$old->safe_psql('clinic', q{
	CREATE EXTENSION twin_privacy CASCADE;
	CREATE ROLE one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE registrar LOGIN IN ROLE twin_privacy_registrar;
	CREATE ROLE auditor LOGIN IN ROLE twin_privacy_auditor;
	CREATE ROLE owner LOGIN;
	CREATE ROLE reader LOGIN;
	SELECT twin_privacy.add_category('ecg', 'vital_signs', 'electrocardiograms');
	SELECT twin_privacy.add_purpose('TWINS', 'CLINTRCH', 'twins in trials');
	SELECT twin_privacy.prohibit_purpose('HMARKT', 'board decision');
	SELECT twin_privacy.create_pseudonym_domain('REGISTRY');
	CREATE TABLE patient (id int PRIMARY KEY, name text, born date, "Odd Column" text);
	CREATE TABLE twin (id int PRIMARY KEY, patient_id int NOT NULL REFERENCES patient);
	CREATE TABLE trace (twin_id int NOT NULL REFERENCES twin, at date NOT NULL, value int, labels text[]) PARTITION BY RANGE (at);
	CREATE TABLE trace_1 PARTITION OF trace FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE trace_2 PARTITION OF trace FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	CREATE TABLE registry (alias twin_privacy.pseudonym('REGISTRY') PRIMARY KEY, secret twin_privacy.sealed, patient_id int);
	INSERT INTO patient SELECT i, 'name ' || i, date '1950-05-05' + 100 * i, 'odd ' || i FROM generate_series(1, 20) i;
	INSERT INTO twin SELECT 100 + i, i FROM generate_series(1, 20) i;
	INSERT INTO trace SELECT 100 + i, date '2026-01-20' + k, i * k, CASE i % 4 WHEN 0 THEN '{PSY}'::text[] END FROM generate_series(1, 20) i, generate_series(1, 25) k;
	INSERT INTO registry SELECT twin_privacy.pseudonymize('REGISTRY', i), twin_privacy.seal('REGISTRY', 'secret ' || i), i FROM generate_series(1, 20) i;
	CREATE INDEX ON registry (secret);
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	SELECT twin_privacy.protect_table('twin', subject => 'patient_id', category => 'ecg');
	SELECT twin_privacy.protect_table('trace', subject => 'twin_id -> public.twin(id).patient_id', category => 'ecg', label_column => 'labels');
	SELECT twin_privacy.protect_table('registry', subject => 'patient_id', category => 'ecg');
	SELECT twin_privacy.label_column('patient', 'name', 'category=identity, kind=identifier, mask=pseudonym');
	SELECT twin_privacy.label_column('patient', 'born', 'kind=quasi, mask=date_shift');
	SELECT twin_privacy.label_column('patient', 'Odd Column', 'kind=quasi, mask=partial:1:1');
	SELECT twin_privacy.label_column('twin', 'id', 'kind=plain');
	SELECT twin_privacy.label_column('trace', c, 'kind=plain') FROM unnest('{twin_id,at}'::name[]) c;
	SELECT twin_privacy.label_column('trace', 'value', 'kind=quasi, mask=band:10');
	SELECT twin_privacy.label_column('registry', c, 'kind=plain') FROM unnest('{alias,secret}'::name[]) c;
	ALTER TABLE patient OWNER TO owner;
	GRANT SELECT ON patient, twin, trace, trace_2, registry TO reader});
as_role($old, 'one', q{
	SELECT twin_privacy.propose_use('STUDY', purpose => 'TWINS', recipient => 'us', categories => '{identity,demographics,vital_signs,mental_health}',
		disclosure => 'pseudonymised', valid => '[2026-01-01,2036-01-01)', statement => 'I promise.');
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'us', categories => '{demographics,clinical}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('ER', purpose => 'BTG', recipient => 'us', categories => '{demographics}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('ADS', purpose => 'CLINTRCHPC', recipient => 'us', categories => '{demographics}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('PAUSED', purpose => 'TREAT', recipient => 'us', categories => '{demographics}', disclosure => 'identified')});
as_role($old, 'two', q{
	SELECT twin_privacy.approve_use(u), twin_privacy.grant_use(u, 'reader') FROM unnest('{STUDY,CARE,ER,ADS,PAUSED}'::text[]) u;
	SELECT twin_privacy.suspend_use('PAUSED', 'incident');
	SELECT twin_privacy.prohibit_purpose('CLINTRCHPC', 'later')});
as_role($old, 'registrar', q{
	SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'HRESCH', categories => '{identity,demographics,vital_signs}',
		evidence => '{"form": "v3"}')) FROM generate_series(1, 15) i;
	SELECT count(twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT')) FROM generate_series(1, 18) i;
	SELECT twin_privacy.record_consent('8', decision => 'permit', purpose => 'HRESCH', categories => '{mental_health}');
	SELECT twin_privacy.record_consent('3', decision => 'deny', purpose => 'TWINS', categories => '{ecg}');
	SELECT twin_privacy.withdraw_all_consent('5', 'left')});
as_role($old, 'reader', q{
	SELECT twin_privacy.acknowledge_use('STUDY');
	SELECT twin_privacy.break_glass('19', 'unconscious');
	SELECT count(*) FROM patient;
	SELECT twin_privacy.end_break_glass()});

my @reads = (
	[ STUDY => 'SELECT * FROM patient ORDER BY name' ], [ STUDY => 'SELECT * FROM twin ORDER BY id' ], [ STUDY => 'SELECT * FROM trace ORDER BY twin_id, at' ],
	[ STUDY => 'SELECT count(*), sum(value) FROM trace_2' ], [ STUDY => 'SELECT * FROM registry ORDER BY alias' ], [ STUDY => q{SELECT * FROM twin_privacy.why('patient', '5')} ],
	[ CARE => 'SELECT * FROM patient ORDER BY id' ], [ CARE => 'SELECT count(*) FROM registry' ],
	[ ADS => 'SELECT count(*) FROM patient' ], [ PAUSED => 'SELECT count(*) FROM patient' ], [ NOBODYS => 'SELECT count(*) FROM patient' ]);
my $raw = q{SET twin_privacy.maintenance = on; SET datestyle = 'ISO';
	SELECT * FROM patient ORDER BY 1; SELECT * FROM twin ORDER BY 1; SELECT * FROM trace ORDER BY 1, 2; SELECT * FROM registry ORDER BY 1};
my $policy = q{SELECT jsonb_pretty(twin_privacy.export_policy());
	SELECT * FROM twin_privacy.purposes ORDER BY code; SELECT * FROM twin_privacy.categories ORDER BY code;
	SELECT objtype, objname, label FROM pg_seclabels WHERE provider = 'twin_privacy' ORDER BY 2;
	SELECT * FROM twin_privacy.protected_tables ORDER BY target::text; SELECT * FROM twin_privacy.protected_columns ORDER BY target::text, column_name;
	SELECT * FROM twin_privacy.approved_uses ORDER BY code; SELECT * FROM twin_privacy.pseudonym_keys ORDER BY 1, 2;
	SELECT * FROM twin_privacy.break_glass_events ORDER BY 1; SELECT * FROM twin_privacy.check_protection()};
my $consents = q{SELECT * FROM twin_privacy.consents ORDER BY consent_id;
	SELECT twin_privacy.export_consents(i::text) FROM generate_series(1, 20) i; SELECT twin_privacy.consent_summary(i::text) FROM generate_series(1, 20) i};
my $history = q{SELECT * FROM twin_privacy.disclosures WHERE recorded_at < '%1$s' ORDER BY record_id;
	SELECT * FROM twin_privacy.ledger_events WHERE recorded_at < '%1$s' ORDER BY event_id;
	SELECT d.record_id, s FROM twin_privacy.disclosures AS d, twin_privacy.subjects_of(d.record_id) AS s WHERE d.recorded_at < '%1$s' ORDER BY 1, 2;
	SELECT d.record_id, a.* FROM twin_privacy.disclosures AS d, twin_privacy.audit_replay(d.record_id) AS a WHERE d.recorded_at < '%1$s' ORDER BY 1, 2;
	SELECT regexp_replace(twin_privacy.disclosure_report('19'), E'\n\\d+ (statistics|readings).*', '')};

my %before = map { ("$_->[0]: $_->[1]" => seen($old, @$_)) } @reads;
like($before{'STUDY: SELECT * FROM patient ORDER BY name'}, qr/^\S+\|\w{36}.\|19\d\d/m, 'there is something pseudonymised to compare');
like($before{'STUDY: SELECT * FROM registry ORDER BY alias'}, qr/^\S+/m, 'and a registry');
is($before{'ADS: SELECT count(*) FROM patient'}, 'TP002', 'and something refused');
my $raw_before = $old->safe_psql('clinic', $raw);
my $policy_before = $old->safe_psql('clinic', $policy);
my $consents_before = as_role($old, 'registrar', $consents);
my $now = $old->safe_psql('clinic', 'SELECT now()');
my $asked = sprintf $history, $now;
my $history_before = as_role($old, 'auditor', $asked);
my $head = as_role($old, 'auditor', 'SELECT twin_privacy.ledger_head()');

like($history_before, qr/^break_glass\b|emergency/m, 'and a history');

# True when a version's server keeps versions of columns, as minor releases from November 2026 on do.
sub versions_columns
{
	my ($version) = @_;
	return index(slurp_file("/usr/lib/postgresql/$version/bin/postgres"), 'pg_attver') >= 0;
}

# Upgrades the node to a version with pg_upgrade, the ledger's files carried along.
sub upgrade
{
	my ($old, $old_version, $version) = @_;
	my $new = new_node($version);
	my $bin = "/usr/lib/postgresql/$version/bin";
	my $work = "$dir/to$version";

	# Where Debian has that minor release of the old major only, pg_upgrade refuses any
	# table, ours or not; the marks matter to stored composite values, and there are none.
	$old->safe_psql('clinic', q{SET twin_privacy.maintenance = on; SET allow_system_table_mods = on;
		UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text ~ 'pg_attver'})
	  if versions_columns($old_version) && !versions_columns($version);
	$old->stop;
	mkdir $work or die;
	chdir $work or die;
	my $ok = run_log([ "$bin/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', "/usr/lib/postgresql/$old_version/bin",
			'-B', $bin, '-s', $new->host, '-p', $old->port, '-P', $new->port ]);
	ok($ok, "pg_upgrade from $old_version to $version");
	unless ($ok)
	{
		diag(slurp_file($_)) for glob($new->data_dir . '/pg_upgrade_output.d/*/log/*.log');
		BAIL_OUT('no upgrade');
	}
	chdir $dir;
	return $new;
}

my $kept = "$dir/ledger";
for (1 .. $#versions)
{
	my ($from, $version) = @versions[ $_ - 1, $_ ];
	my $new = upgrade($old, $from, $version);

	# The spool is files: copied where it lay in the old data directory; a directory
	# of its own is named again.
	ok(! -e $new->data_dir . '/pg_twin_privacy', "$version: pg_upgrade itself writes no ledger");
	system_or_bail('cp', '-a', $old->data_dir . '/pg_twin_privacy', $kept) unless -e $kept;
	$new->append_conf('postgresql.conf', "twin_privacy.ledger_directory = '$kept'");
	$new->start;
	like($new->safe_psql('clinic', q{SELECT state, detail FROM twin_privacy.status() WHERE check_name = 'ledger'}),
		qr/^warning\|.*adopt_ledger/, "$version: status says that the old chains wait");
	is(as_role($new, 'auditor', "SELECT twin_privacy.adopt_ledger('pg_upgrade to $version')"), $_, "$version: the ledger's past is adopted");
	is(as_role($new, 'auditor', "SELECT twin_privacy.adopt_ledger('again')"), 0, "$version: once");

	is($new->safe_psql('clinic', $policy), $policy_before, "$version: policy, labels, uses, keys and emergencies");
	is(as_role($new, 'registrar', $consents), $consents_before, "$version: consents, byte for byte");
	is($new->safe_psql('clinic', $raw), $raw_before, "$version: raw values, pseudonyms and sealed values");
	is(seen($new, @$_), $before{"$_->[0]: $_->[1]"}, "$version: $_->[0]: $_->[1]") for @reads;
	is($new->safe_psql('clinic', q{SELECT count(*) FROM twin_privacy.status() WHERE state = 'error'}), 0, "$version: status is well");
	is(as_role($new, 'auditor', $asked), $history_before, "$version: the ledger's history, record by record");
	is(as_role($new, 'auditor', 'SELECT * FROM twin_privacy.verify_ledger()'), '', "$version: every chain verifies");
	is(as_role($new, 'auditor', "SELECT * FROM twin_privacy.verify_ledger('$head')"), '', "$version: and continues the head kept before the first upgrade");
	is($new->safe_psql('clinic', 'SELECT count(*) = count(DISTINCT record_id) FROM twin_privacy.disclosures'), 't', "$version: no record id is given twice");
	$old = $new;
}

# Life goes on: a new category, a consent and a withdrawal, an emergency; the past can no longer be edited.
is(as_role($old, 'registrar', q{SELECT twin_privacy.record_consent('20', decision => 'permit', purpose => 'HRESCH') > 0}), 't', 'a new consent');
is(seen($old, 'STUDY', 'SELECT count(*) FROM patient'), 15, 'opens its row');
is(as_role($old, 'reader', q{SELECT twin_privacy.break_glass('19', 'unconscious again') > 0}), 't', 'an emergency');
my ($chain) = grep { -s "$_/ADOPTED" } glob "$kept/node-*";
my ($segment) = sort glob "$chain/*.seg";
open my $file, '+<:raw', $segment or die $!;
seek $file, 600, 0 or die $!;
print {$file} "\xff" or die $!;
close $file or die $!;
like(as_role($old, 'auditor', 'SELECT finding FROM twin_privacy.verify_ledger()'), qr/edited|malformed|out of order/, 'an edited record of the past is found');
$old->stop;
done_testing();
