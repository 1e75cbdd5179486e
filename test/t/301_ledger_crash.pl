# Crash rounds: eight clients read in every way there is while a backend, the
# ledger's worker or the whole server is killed.  Every row a client received has
# an intent in the ledger; after each round the chain verifies and nothing stays
# open.  TWP_CRASH_ROUNDS=100 ("make check-crash") runs the long form;
# TWP_CRASH_MODE=binding shows that losses would be seen.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TwinPrivacy::Cluster;

my $rounds = $ENV{TWP_CRASH_ROUNDS} // 4;
my $mode = $ENV{TWP_CRASH_MODE} // 'statement';
my $clients = 8;
my $node = TwinPrivacy::Cluster->new_node('crash', conf => "twin_privacy.ledger_commit = $mode\nrestart_after_crash = on");
$node->safe_psql('postgres', q{
	CREATE ROLE officer LOGIN; GRANT twin_privacy_officer TO officer;
	CREATE ROLE chief LOGIN; GRANT twin_privacy_officer TO chief;
	CREATE ROLE nurse LOGIN;
	CREATE TABLE patient (id int PRIMARY KEY, name text);
	INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 100) i;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	GRANT SELECT ON patient TO nurse;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT') FROM generate_series(1, 100) i;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward',
		categories => '{demographics}', disclosure => 'identified');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'nurse')});

my $scratch = PostgreSQL::Test::Utils::tempdir();

# One way of reading; rows carry the marker that the ledger has as justification.
sub reading
{
	my ($marker) = @_;
	my $id = 1 + int rand 100;
	my $select = "SELECT 'got', '$marker', name FROM patient WHERE id = $id";
	my @ways = (
		"$select;",
		"BEGIN; $select; ROLLBACK;",
		"BEGIN; DECLARE c CURSOR FOR $select; FETCH 1 FROM c; ROLLBACK;",
		"BEGIN; SAVEPOINT s; $select; ROLLBACK TO s; COMMIT;",
		"BEGIN; SET LOCAL statement_timeout = 3; SELECT 'got', '$marker', name FROM patient, pg_sleep(0.01) WHERE id = $id; COMMIT;",
		"COPY ($select) TO STDOUT WITH (DELIMITER '|');",
		"PREPARE p AS $select; EXECUTE p; DEALLOCATE p;");
	return "SET twin_privacy.justification = '$marker';\n" . $ways[ rand @ways ] . "\n";
}

# Starts a client that reads until its connection is lost.
sub start_client
{
	my ($round, $client) = @_;
	my $file = "$scratch/$round.$client";
	open my $fh, '>', "$file.sql" or die $!;
	print {$fh} "SET twin_privacy.use = 'CARE';\n";
	print {$fh} reading("$round.$client.$_") for 1 .. 20_000;
	close $fh or die $!;
	return { file => $file, run => IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-h', $node->host, '-p', $node->port, '-U', 'nurse', '-d', 'postgres', '-f', "$file.sql" ],
		'>', "$file.out", '2>', "$file.err") };
}

# Kills what the round is about; returns what that was.
sub kill_something
{
	my ($round) = @_;
	my $what = ('backend', 'worker', 'postmaster', 'immediate')[ $round % 4 ];
	if ($what eq 'postmaster')
	{
		my @children = children();
		$node->kill9;
		# Nobody may start a server while the orphans hold its memory.
		for (1 .. 600)
		{
			last if !grep { kill 0, $_ } @children;
			usleep(100_000);
		}
	}
	elsif ($what eq 'immediate')
	{
		$node->stop('immediate');
	}
	else
	{
		kill 'KILL', $what eq 'worker' ? worker_pid() : $node->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE usename = 'nurse' ORDER BY random() LIMIT 1");
	}
	return $what;
}

# Lists the server's processes.
sub children
{
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	return split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children");
}

# The worker has no database connection, so the statistics do not show it.
sub worker_pid
{
	for my $pid (children())
	{
		open my $fh, '<', "/proc/$pid/cmdline" or next;
		return $pid if (<$fh> // '') =~ /twin_privacy ledger/;
	}
	die 'the worker does not run';
}

# What the clients of missing markers saw around them.
sub missing_context
{
	my ($which, $clients) = @_;
	my @lines = ("missing: $which");
	for my $marker (split ' ', $which)
	{
		my ($client) = $marker =~ /^\d+\.(\d+)\./;
		my $file = $clients->[ $client - 1 ]{file};
		my @out = split /\n/, slurp_file("$file.out");
		my ($at) = grep { $out[$_] =~ /\Q|$marker|\E/ } 0 .. $#out;
		push @lines, "row $at of $#out", (split /\n/, slurp_file("$file.err"))[ -5 .. -1 ];
	}
	return join "\n", map { $_ // '' } @lines;
}

my ($received, $lost, $crashed) = (0, 0, 0);
for my $round (1 .. $rounds)
{
	my $begun = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
	my @clients = map { start_client($round, $_) } 1 .. $clients;
	usleep(700_000 + int rand 600_000);
	my $what = kill_something($round);
	IPC::Run::finish($_->{run}) for @clients;
	$node->start if $what eq 'postmaster' || $what eq 'immediate';
	ok($node->poll_query_until('postgres', 'SELECT true'), "round $round: up again after the $what was killed");

	my %marker;
	for my $client (@clients)
	{
		$marker{$_} = 1 for slurp_file("$client->{file}.out") =~ /^got\|([\d.]+)\|patient \d+$/mg;
	}
	append_to_file("$scratch/markers", join '', map { "$_\n" } sort keys %marker);
	my ($seen, $missing, $open, $crashes, $which) = split /\|/, $node->safe_psql('postgres', qq{
		CREATE TEMP TABLE seen (marker text);
		\\copy seen FROM '$scratch/markers'
		CREATE TEMP TABLE known AS SELECT justification, outcome FROM twin_privacy_internal.ledger_disclosures('$begun');
		SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM seen WHERE marker NOT IN (SELECT justification FROM known WHERE justification IS NOT NULL)),
		       count(*) FILTER (WHERE outcome = 'open'), count(*) FILTER (WHERE outcome = 'crashed'),
		       (SELECT string_agg(marker, ' ') FROM seen WHERE marker NOT IN (SELECT justification FROM known WHERE justification IS NOT NULL))
		  FROM known});
	unlink "$scratch/markers";
	die 'the markers did not arrive' if $seen != keys %marker;
	$received += keys %marker;
	$lost += $missing;
	is($missing, 0, scalar(keys %marker) . ' rows received, all recorded') || diag(missing_context($which, \@clients))
	  if $mode eq 'statement';
	unlink map { glob "$_->{file}.*" } @clients;
	is($open, 0, 'nothing stays open');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chain verifies');
	$crashed += $crashes;
}
cmp_ok($received, '>', 100 * $rounds, "the clients read: $received rows, $crashed statements crashed");
is($lost, 0, 'no row was received unrecorded');
is($node->safe_psql('postgres', q{
	SELECT count(*) > 0 FROM twin_privacy.disclosures WHERE outcome IN ('crashed', 'cancelled', 'error', 'aborted')}),
	't', 'outcomes other than done were recorded');

$node->stop;
done_testing();
