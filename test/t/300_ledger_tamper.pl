# Every edit of the spool is found: each field of a record, deletions, swaps,
# copies, cut ends, missing segments, another head; on a running server and at
# the next start, where the ledger stays closed.
# TWP_TAMPER=full ("make check-tamper") tries every record instead of a sample.
use strict;
use warnings FATAL => 'all';

use File::Copy qw(move);
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;
use TwinPrivacy::Spool;

my $node = TwinPrivacy::Cluster->new_node('tamper');
$node->safe_psql('postgres', q{
	SELECT twin_privacy.add_purpose('T' || i, 'TREAT', 'tamper') FROM generate_series(1, 1000) i;
	DO $$ BEGIN PERFORM twin_privacy.ledger_head(); END $$});

my $directory = TwinPrivacy::Spool::directory($node);
my ($segment) = TwinPrivacy::Spool::segments($directory);
my $good = TwinPrivacy::Spool::slurp($segment);
my @records = TwinPrivacy::Spool::records($good);
cmp_ok(scalar @records, '>=', 1000, 'a ledger of a thousand records');
is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'intact');

# Each edit is one line of a psql script: change, ask, put back.
my @edits;

# Adds an edit: offset and new bytes.
sub edit
{
	my ($what, $at, $new) = @_;
	my $old = substr $good, $at, length $new;
	push @edits, { what => $what, at => $at, new => $new, old => $old } if $new ne $old;
	return;
}

my %field = (
	magic => 0, length => 4, seq => 8, recorded_at => 16, ref => 24, durable_seq => 32,
	database => 40, type => 44, flags => 46, hash => 48, payload => $TwinPrivacy::Spool::header);
my $step = ($ENV{TWP_TAMPER} // '') eq 'full' ? 1 : 67;
# Behind the last record the segment is zeros: cutting the end off changes nothing there.
my $end = $records[-1]{at} + $records[-1]{padded};
for (my $i = 0; $i < @records; $i += $step)
{
	my $r = $records[$i];
	for my $name (sort keys %field)
	{
		my $at = $r->{at} + $field{$name};
		edit("$name of record $r->{seq}", $at, substr($good, $at, 1) ^ "\x01");
	}
	edit("deletion of record $r->{seq}", $r->{at},
		substr($good, $r->{at} + $r->{padded}, 100 * 1024) . ("\0" x $r->{padded}));
	if ($i + 1 < @records)
	{
		my $s = $records[ $i + 1 ];
		edit("swap of records $r->{seq} and $s->{seq}", $r->{at},
			substr($good, $s->{at}, $s->{padded}) . substr($good, $r->{at}, $r->{padded}));
		edit("copy of record $r->{seq}", $s->{at},
			substr($good, $r->{at}, $r->{padded}) . substr($good, $s->{at}, 100 * 1024));
	}
	edit("end cut off at record $r->{seq}", $r->{at}, "\0" x ($end - $r->{at}));
}
edit('segment header', 40, substr($good, 40, 1) ^ "\x01");
edit('bytes behind the end', $end, 'x');

my $script = '';
my $scratch = PostgreSQL::Test::Utils::tempdir();
for my $i (0 .. $#edits)
{
	my ($new, $old) = ("$scratch/$i.new", "$scratch/$i.old");
	for ([ $new, $edits[$i]{new} ], [ $old, $edits[$i]{old} ])
	{
		open my $fh, '>:raw', $_->[0] or die $!;
		print {$fh} $_->[1];
		close $fh or die $!;
	}
	my $dd = "of=$segment bs=64k seek=$edits[$i]{at} oflag=seek_bytes conv=notrunc status=none";
	$script .= "\\! dd if=$new $dd\nSELECT $i, count(*) > 0 FROM twin_privacy.verify_ledger();\n\\! dd if=$old $dd\n";
}
my %found = map { split /\|/ } split /\n/, $node->safe_psql('postgres', $script);
my @missed = grep { ($found{$_} // 'f') ne 't' } 0 .. $#edits;
is_deeply([ map { $edits[$_]{what} } @missed ], [], scalar(@edits) . ' edits are found');
is($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', 'intact again');
is(TwinPrivacy::Spool::slurp($segment), $good, 'byte for byte');

# Where: the finding names the record.
my ($victim) = grep { $_->{seq} > 300 && $_->{length} > 100 } @records;
TwinPrivacy::Spool::poke($segment, $victim->{at} + 90, 'X');
like($node->safe_psql('postgres', 'SELECT record_id, place, finding FROM twin_privacy.verify_ledger()'),
	qr/^$victim->{seq}\|node-[0-9a-f]{32}, segment 1\|the record was edited/, 'the finding says where');
TwinPrivacy::Spool::poke($segment, $victim->{at} + 90, substr($good, $victim->{at} + 90, 1));

# The whole segment gone.
my $head = $node->safe_psql('postgres', 'SELECT twin_privacy.ledger_head()');
move($segment, "$scratch/moved") or die $!;
like($node->safe_psql('postgres', 'SELECT finding FROM twin_privacy.verify_ledger()'),
	qr/no chain here has the record attested by the running server/, 'a missing segment is found');
move("$scratch/moved", $segment) or die $!;

# Offline: what was durable and is damaged or missing keeps the ledger closed.
$node->stop;
$good = TwinPrivacy::Spool::slurp($segment);
@records = TwinPrivacy::Spool::records($good);
my $last = $records[-1];
my %offline = (
	'an edited record' => [ $records[500]{at} + 85, 'Y' ],
	'a cut end' => [ $records[900]{at}, "\0" x (length($good) - $records[900]{at}) ],
	'a last record cut off' => [ $last->{at}, "\0" x $last->{padded} ],
	'an edited last record' => [ $last->{at} + 81, 'Z' ],
	'an edited segment header' => [ 41, "\xff" ]);
for my $what (sort keys %offline)
{
	my ($at, $bytes) = @{ $offline{$what} };
	TwinPrivacy::Spool::poke($segment, $at, $bytes);
	$node->start;
	my ($rc, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nSELECT twin_privacy.add_purpose('TX', 'TREAT', 'closed')");
	like($err, qr/TP004: the ledger cannot record/, "$what: nothing is recorded, so nothing is done");
	isnt($node->safe_psql('postgres', 'SELECT count(*) FROM twin_privacy.verify_ledger()'), '0', "$what: found");
	$node->stop;
	TwinPrivacy::Spool::poke($segment, 0, $good);
}
$node->start;
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.verify_ledger('$head')"), '0',
	'put back: intact, and the head kept elsewhere is part of it');
$node->safe_psql('postgres', "SELECT twin_privacy.add_purpose('TY', 'TREAT', 'open again')");

# An auditor may go on behind damage; it is found for ever.
my $key = "$scratch/signing.pem";
system_or_bail('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', $key);
chmod 0600, $key or die $!;
$node->append_conf('postgresql.conf', "twin_privacy.ledger_signing_key_file = '$key'");
$node->reload;
my $checkpoint = $node->safe_psql('postgres', 'SELECT twin_privacy.ledger_checkpoint()');
my ($public, $stderr) = run_command([ 'openssl', 'pkey', '-in', $key, '-pubout' ]);
is($node->safe_psql('postgres', "SELECT twin_privacy.ledger_checkpoint_valid('$checkpoint', '$public')"), 't', 'a signed checkpoint');
is($node->safe_psql('postgres', "SELECT twin_privacy.ledger_checkpoint_valid('$checkpoint'::jsonb || '{\"signed_at\": \"2020-01-01\"}', '$public')"),
	'f', 'of another time is not valid');
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.verify_ledger(('$checkpoint'::jsonb)->>'head')"), '0', 'its head is in the chain');
isnt($node->psql('postgres', "SELECT twin_privacy.seal_damaged_ledger('for nothing')"), 0, 'an open ledger is not sealed');
$node->stop;
$good = TwinPrivacy::Spool::slurp($segment);
@records = TwinPrivacy::Spool::records($good);
TwinPrivacy::Spool::poke($segment, $records[500]{at} + 85, 'Y');
$node->start;
$node->safe_psql('postgres', "SELECT twin_privacy.seal_damaged_ledger('disk replaced, see report 17')");
$node->safe_psql('postgres', "SELECT twin_privacy.add_purpose('TZ', 'TREAT', 'behind the damage')");
$node->restart;
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.ledger_events WHERE object = 'TZ' OR kind = 'ledger.seal_damaged'"), '2',
	'the ledger goes on behind the damage');
like($node->safe_psql('postgres', 'SELECT record_id, finding FROM twin_privacy.verify_ledger()'),
	qr/^${\ $records[500]{seq}}\|.*edited/m, 'which is still found');
$node->stop;
TwinPrivacy::Spool::poke($segment, 0, $good);
$node->start;

# A rewritten history whose hashes are all right, but another one: a fork.
my ($other) = TwinPrivacy::Cluster->new_node('other');
my $other_head = $other->safe_psql('postgres', 'SELECT twin_privacy.ledger_head()');
like($node->safe_psql('postgres', "SELECT finding FROM twin_privacy.verify_ledger('$other_head')"),
	qr/no chain here has the record/, 'the head of another chain is not accepted');

$other->stop;
$node->stop;
done_testing();
