# TwinPrivacy::Crash - rounds of a crash under load: eight clients read in every way
# there is, something is killed, and every row that a client received is looked up
# in the ledger.
package TwinPrivacy::Crash;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our $clients = 8;

# SQL that makes the patients a nurse reads, and who may.
our $set_up = q{
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
	SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'nurse')};

# Makes a load on a node: host and port when clients connect elsewhere, reading => sub
# that writes one reading of (client, marker) as SQL, readings => how many a client tries.
sub new
{
	my ($class, $node, %option) = @_;

	return bless {
		node => $node, host => $node->host, port => $node->port, reading => \&reading, readings => 20_000,
		scratch => PostgreSQL::Test::Utils::tempdir(), received => 0, lost => 0, crashed => 0, stolen => 0, %option }, $class;
}

# One way of reading; rows carry the marker that the ledger has as justification.
sub reading
{
	my ($client, $marker) = @_;
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
	my ($self, $round, $client) = @_;
	my $file = "$self->{scratch}/$round.$client";

	open my $fh, '>', "$file.sql" or die $!;
	print {$fh} "SET twin_privacy.use = 'CARE';\n" if $self->{reading} == \&reading;
	print {$fh} $self->{reading}->($client, sprintf('%d.%d.%08d', $round, $client, $_)) for 1 .. $self->{readings};
	close $fh or die $!;
	return { file => $file, run => IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-h', $self->{host}, '-p', $self->{port}, '-U', 'nurse', '-d', 'postgres', '-f', "$file.sql" ],
		'>', "$file.out", '2>', "$file.err") };
}

# Starts all clients of a round.
sub begin
{
	my ($self, $round) = @_;

	$self->{round} = $round;
	$self->{begun} = $self->{node}->safe_psql('postgres', 'SELECT clock_timestamp()');
	$self->{running} = [ map { $self->start_client($round, $_) } 1 .. $clients ];
	usleep(700_000 + int rand 600_000);
	return;
}

# Kills the server the hard way and waits until nothing of it is left.
sub kill_server
{
	my ($self) = @_;
	my @children = $self->children;

	$self->{node}->kill9;
	# Nobody may start a server while the orphans hold its memory.
	for (1 .. 600)
	{
		last if !grep { kill 0, $_ } @children;
		usleep(100_000);
	}
	return;
}

# Kills what the round is about: backend, worker, flusher, postmaster; immediate and fast are shutdowns.
sub kill_something
{
	my ($self, $what) = @_;

	if ($what eq 'postmaster')
	{
		$self->kill_server;
	}
	elsif ($what eq 'immediate')
	{
		$self->{node}->stop('immediate');
	}
	elsif ($what eq 'fast')
	{
		# The flusher sleeps on while everybody counts on it, and is told to end before it wakes.
		my $flusher = $self->process_of('flusher');
		kill 'STOP', $flusher;
		usleep(300_000);
		my $waker = IPC::Run::start([ 'sh', '-c', "sleep 0.5; kill -CONT $flusher" ]);
		$self->{node}->stop('fast');
		$waker->finish;
	}
	else
	{
		kill 'KILL', $what ne 'backend' ? $self->process_of($what) : $self->{node}->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE usename = 'nurse' ORDER BY random() LIMIT 1");
	}
	return;
}

# Lists the server's processes.
sub children
{
	my ($self) = @_;
	my ($postmaster) = slurp_file($self->{node}->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	return split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children");
}

# Finds the ledger's worker or flusher: without a database connection, the statistics do not show them.
sub process_of
{
	my ($self, $what) = @_;
	my $name = $what eq 'worker' ? 'twin_privacy ledger' : "twin_privacy ledger $what";

	for my $pid ($self->children)
	{
		open my $fh, '<', "/proc/$pid/cmdline" or next;
		return $pid if (<$fh> // '') =~ /\b$name[\s\0]*\z/;
	}
	die "the $what does not run";
}

# What the clients of missing markers saw around them.
sub missing_context
{
	my ($self, $which) = @_;
	my @lines = ("missing: $which");

	for my $marker (split ' ', $which)
	{
		my ($client) = $marker =~ /^\d+\.(\d+)\./;
		my $file = $self->{running}[ $client - 1 ]{file};
		my @out = split /\n/, slurp_file("$file.out");
		my ($at) = grep { $out[$_] =~ /\Q|$marker|\E/ } 0 .. $#out;
		push @lines, "row $at of $#out", (split /\n/, slurp_file("$file.err"))[ -5 .. -1 ];
	}
	return join "\n", map { $_ // '' } @lines;
}

# Ends the clients of the round and looks every row they received up in a node's
# ledger; in mode binding losses are only counted.  With known => SQL over justification
# and actor, what is recorded of a row must also fulfil that.
sub finish
{
	my ($self, $node, $mode) = @_;
	my (%marker, $scratch);

	$scratch = $self->{scratch};
	IPC::Run::finish($_->{run}) for @{ $self->{running} };
	for my $client (@{ $self->{running} })
	{
		my $out = slurp_file("$client->{file}.out");
		$marker{$_} = 1 for $out =~ /^got\|([\d.]+)\|patient \d+$/mg;
		$self->{stolen} += () = $out =~ /^stolen\b/mg;
	}
	append_to_file("$scratch/markers", join '', map { "$_\n" } sort keys %marker);
	my $known = $self->{known} // 'true';
	my $missing_sql = "FROM seen WHERE marker NOT IN (SELECT justification FROM known WHERE $known)";
	my ($seen, $missing, $open, $crashes, $which) = split /\|/, $node->safe_psql('postgres', qq{
		CREATE TEMP TABLE seen (marker text);
		\\copy seen FROM '$scratch/markers'
		CREATE TEMP TABLE known AS SELECT justification, actor, outcome FROM twin_privacy_internal.ledger_disclosures('$self->{begun}')
		 WHERE justification LIKE '$self->{round}.%';
		SELECT (SELECT count(*) FROM seen), (SELECT count(*) $missing_sql),
		       count(*) FILTER (WHERE outcome = 'open'), count(*) FILTER (WHERE outcome = 'crashed'),
		       (SELECT string_agg(marker, ' ') $missing_sql)
		  FROM known});
	unlink "$scratch/markers";
	die 'the markers did not arrive' if $seen != keys %marker;
	$self->{received} += keys %marker;
	$self->{lost} += $missing;
	$self->{crashed} += $crashes;
	is($missing, 0, scalar(keys %marker) . ' rows received, all recorded') || diag($self->missing_context($which))
	  if $mode eq 'statement';
	unlink map { glob "$_->{file}.*" } @{ $self->{running} };
	is($open, 0, 'nothing stays open');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'the chain verifies');
	return;
}

1;
