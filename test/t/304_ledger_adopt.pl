# A cluster takes over the chains another one left (as after pg_upgrade): by an
# auditor's word, once, not while their server runs, and without mixing record ids.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

# Makes a node with a protected table, an auditor, and refusals in its ledger.
sub new_server
{
	my ($name, %option) = @_;
	my $node = TwinPrivacy::Cluster->new_node($name, %option);
	$node->safe_psql('postgres', q{
		CREATE ROLE auditor LOGIN IN ROLE twin_privacy_auditor;
		CREATE TABLE patient (id int PRIMARY KEY);
		SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics')});
	$node->psql('postgres', "SET twin_privacy.justification = '$name'; SELECT * FROM patient") for 1 .. 3;
	return $node;
}

# Runs SQL as the auditor: its rows, or its error.
sub auditor
{
	my ($node, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql", extra_params => [ '-U', 'auditor' ]);
	return $rc == 0 ? $out : $err;
}

my $told = q{SELECT string_agg(justification || ' ' || n, ', ' ORDER BY justification) FROM (
	SELECT justification, count(DISTINCT record_id) AS n FROM twin_privacy.disclosures GROUP BY 1) AS x};
my $shared = PostgreSQL::Test::Utils::tempdir_short();
my $old = new_server('old', conf => "twin_privacy.ledger_directory = '$shared'");
my $new = new_server('new', conf => "twin_privacy.ledger_directory = '$shared'");

is(auditor($new, $told), 'new 3', 'the chains of another cluster are not shown');
like(auditor($new, q{SELECT state || ' ' || detail FROM twin_privacy.status() WHERE check_name = 'ledger'}), qr/^warning.*another cluster.*: 1: .*adopt_ledger/, 'but status tells of them');
like(auditor($new, q{SELECT twin_privacy.adopt_ledger('moved')}), qr/55006.*running server.*HINT:  Stop the old server/s, 'not while their server runs');
like(($new->psql('postgres', q{SET ROLE pg_monitor; SELECT twin_privacy.adopt_ledger('moved')}))[2], qr/permission denied/, 'nor by just anybody');
like(auditor($new, 'SELECT twin_privacy.adopt_ledger(NULL)'), qr/22004/, 'nor without a reason');
$old->stop;
is(auditor($new, q{SELECT twin_privacy.adopt_ledger('moved')}), 1, 'then one chain is adopted');
is(auditor($new, q{SELECT twin_privacy.adopt_ledger('moved')}), 0, 'once');
is(auditor($new, $told), 'new 3, old 3', 'and shown, with record ids of its own');
is(auditor($new, 'SELECT * FROM twin_privacy.verify_ledger()'), '', 'all verifies');
like(auditor($new, q{SELECT detail FROM twin_privacy.ledger_events WHERE kind = 'ledger.adopt'}), qr/"reason": "moved".*"seq": \d+, "hash": "[0-9a-f]{64}"/, 'where it ended is recorded');
is(auditor($new, 'SELECT count(*) FROM twin_privacy.ledger_copy_nodes()'), 1, 'no standby is offered it');
$new->restart;
is(auditor($new, $told), 'new 3, old 3', 'a restart keeps it');

# Files that arrive when the own chain has their number already get another.
my $late = new_server('late');
my ($chain) = grep { -e "$_/ADOPTED" } glob "$shared/node-*";
system_or_bail('cp', '-a', $chain, $late->data_dir . '/pg_twin_privacy/');
is(auditor($late, q{SELECT twin_privacy.adopt_ledger('found later')}), 1, 'a chain copied in later is adopted');
is(auditor($late, $told), 'late 3, old 3', 'with other record ids than the own');
is(auditor($late, 'SELECT count(*) = count(DISTINCT record_id) FROM twin_privacy.disclosures'), 't', 'all of them different');
is(auditor($late, 'SELECT * FROM twin_privacy.verify_ledger()'), '', 'all verifies');
is(scalar(split /\n/, slurp_file((glob $late->data_dir . '/pg_twin_privacy/node-*/ADOPTED')[0])), 2, 'the earlier adopter is not forgotten');
$late->stop;

# Without a directory of its own a server answers, and refuses.
$new->append_conf('postgresql.conf', "twin_privacy.ledger_directory = '/proc/nowhere'");
$new->restart;
like(auditor($new, q{SELECT state || ' ' || detail FROM twin_privacy.status() WHERE check_name = 'ledger'}), qr/^error closed \(could not create/, 'no directory: status says so');
is(auditor($new, 'SELECT count(*) FROM twin_privacy.disclosures'), 0, 'nothing is shown');
like(auditor($new, 'SELECT * FROM twin_privacy.ledger_copy_nodes()'), qr/TP004.*no directory/, 'nothing is copied');
like(auditor($new, q{SELECT twin_privacy.adopt_ledger('moved')}), qr/^0$|TP004/, 'nothing is adopted');
is($new->safe_psql('postgres', 'SELECT 1'), 1, 'and the server stands');
$new->stop;
done_testing();
