# On a standby reads are recorded in a chain of its own, shipped to the primary
# when that is reachable, refused when the spool is full; the primary's chain is
# there after promotion.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $primary = TwinPrivacy::Cluster->new_node('primary', init => [ allows_streaming => 1 ]);
$primary->safe_psql('postgres', q{
	CREATE ROLE officer LOGIN; GRANT twin_privacy_officer TO officer;
	CREATE ROLE chief LOGIN; GRANT twin_privacy_officer TO chief;
	CREATE ROLE nurse LOGIN;
	CREATE DATABASE clinic});
$primary->safe_psql('clinic', q{
	CREATE EXTENSION twin_privacy CASCADE;
	CREATE TABLE patient (id int PRIMARY KEY, name text);
	INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 10) i;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	GRANT SELECT ON patient TO nurse;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT') FROM generate_series(1, 10) i;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward',
		categories => '{demographics}', disclosure => 'identified');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'nurse')});

# Reads as the nurse, leaving a marker in the ledger.
sub reading
{
	my ($node, $marker, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('clinic',
		"\\set VERBOSITY verbose\nSET twin_privacy.use = 'CARE'; SET twin_privacy.justification = '$marker'; "
		  . ($sql // 'SELECT count(*) FROM patient'), extra_params => [ '-U', 'nurse' ]);
	return "$out$err";
}

# How often a marker is in a server's ledger.
sub recorded
{
	my ($node, $marker) = @_;
	return $node->safe_psql('clinic',
		"SELECT count(*) FROM twin_privacy.disclosures WHERE justification LIKE '$marker'");
}

is(reading($primary, 'on the primary'), '10', 'a read on the primary');
# The spool lies in the data directory, so the backup clones it.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "wal_retrieve_retry_interval = '100ms'\ntwin_privacy.ledger_max_size = '64MB'");
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

# A cloned spool is another node's past, not continued: no fork.
my @nodes = glob($standby->data_dir . '/pg_twin_privacy/node-*');
is(scalar @nodes, 2, 'the standby has a chain of its own beside the clone');
is(recorded($standby, 'on the primary'), '1', 'what was recorded on the primary is known');
is(reading($standby, 'on the standby'), '10', 'a read on the standby');
is(reading($standby, 'rolled back on the standby', 'BEGIN; SELECT count(*) FROM patient; ROLLBACK'), '10', 'in a transaction rolled back');
is(recorded($standby, '%on the standby'), '2', 'both are recorded there');
my ($wide) = split /\n/, $standby->safe_psql('clinic', "SELECT max(record_id) > 2 ^ 47 FROM twin_privacy.disclosures");
is($wide, 't', 'with record ids of its own');
ok($primary->poll_query_until('clinic',
	"SELECT count(*) = 2 FROM twin_privacy.disclosures WHERE justification LIKE '%on the standby'"), 'and shipped to the primary');
is($primary->safe_psql('clinic', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'where all chains verify');

# The other way: later records of the primary reach the standby.
is(reading($primary, 'later on the primary'), '10', 'a later read on the primary');
ok($standby->poll_query_until('clinic',
	"SELECT count(*) = 1 FROM twin_privacy.disclosures WHERE justification = 'later on the primary'"), 'is fetched by the standby');
is($standby->safe_psql('clinic', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'all chains verify there, too');

# Bytes that do not continue a copy are not taken, nor from just anybody.
my ($rc, $out, $err) = $primary->psql('clinic', q{
	SELECT twin_privacy.ledger_copy_receive(node, segment, at, '\x00') FROM twin_privacy.ledger_copy_nodes() LIMIT 1});
like($err, qr/own chain/, 'the own chain is not overwritten');
($rc, $out, $err) = $primary->psql('clinic', q{
	SELECT twin_privacy.ledger_copy_receive(node, segment, at, decode(repeat('00', 96), 'hex'))
	  FROM (SELECT * FROM twin_privacy.ledger_copy_nodes() OFFSET 1) AS copies});
like($err, qr/malformed/, 'nor a copy with anything else');
($rc, $out, $err) = $primary->psql('clinic', 'SELECT * FROM twin_privacy.ledger_copy_nodes()', extra_params => [ '-U', 'nurse' ]);
like($err, qr/permission denied to copy the ledger/, 'nurses do not copy the ledger');

# Without the primary reads go on, until the spool is full: then they are refused.
$primary->stop;
is(reading($standby, 'primary is down'), '10', 'the primary is down: reads go on');
my $last = '';
for my $i (1 .. 40)
{
	# A long justification fills the spool in few statements.
	$last = $standby->psql('clinic', "\\set VERBOSITY verbose\nSET twin_privacy.use = 'CARE'; SELECT set_config('twin_privacy.justification', repeat('x', 60000), false);"
		. join(';', ('SELECT count(*) FROM patient') x 100), extra_params => [ '-U', 'nurse' ], stderr => \$err, stdout => \$out, on_error_stop => 1);
	last if $last;
}
like($err, qr/ERROR:  TP004: the ledger cannot record/, 'the spool is full: reads are refused');
$primary->start;
ok($primary->poll_query_until('clinic',
	"SELECT count(*) = 1 FROM twin_privacy.disclosures WHERE justification = 'primary is down'"), 'the primary is back: it catches up');
my $works = '';
for (1 .. 60)
{
	$works = reading($standby, 'there is room again');
	last if $works eq '10';
	sleep 1;
}
is($works, '10', 'and there is room on the standby again: what was shipped makes room');
is($standby->safe_psql('clinic', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chains verify, dropped segments accounted for');

# Promotion.
$primary->stop('immediate');
$standby->promote;
is(recorded($standby, '%on the primary'), '2', 'after promotion the history of the old primary is there');
is(reading($standby, 'promoted'), '10', 'reads go on');
is(recorded($standby, 'promoted'), '1', 'recorded');
$standby->safe_psql('clinic', q{SELECT twin_privacy.add_purpose('PROMOTED', 'TREAT', 'on the new primary')});
is($standby->safe_psql('clinic', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chains verify');

$standby->stop;
done_testing();
