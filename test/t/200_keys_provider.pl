# The master key's providers: what is accepted, and that everything else fails closed
# with TP005, the reason in the log and nowhere else.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('provider', init => [ allows_streaming => 1 ]);
my $dir = $node->basedir;
my $hex = join '', map { sprintf '%02x', $_ * 7 % 256 } 1 .. 32;

# Writes a file with a mode and returns its path.
sub file
{
	my ($name, $content, $mode) = @_;
	my $path = "$dir/$name";
	unlink $path;
	append_to_file($path, $content);
	chmod $mode, $path;
	return $path;
}

# Restarts with these settings.
sub configure
{
	my (%setting) = @_;
	$node->append_conf('postgresql.conf',
		join '', map { "twin_privacy.$_ = '" . ($setting{$_} // '') =~ s/'/''/gr . "'\n" } qw(master_key_file master_key_command));
	$node->restart;
	return;
}

my $good = file('good', "$hex\n", 0600);
configure(master_key_file => $good);
$node->safe_psql('postgres', q{SELECT twin_privacy.create_pseudonym_domain('D')});
my $query = q{SELECT twin_privacy.pseudonymize('D', 1)};
my $value = $node->safe_psql('postgres', $query);
like($value, qr/^[0-9A-HJKMNP-TV-Z]{36}[0-9A-HJKMNP-TV-Z*~\$=U]$/, 'a file with the key and a line end');

# Accepts: the same value comes out.
sub accepts
{
	my ($what, %setting) = @_;
	configure(%setting);
	is($node->safe_psql('postgres', $query), $value, $what);
	return;
}

# Refuses: TP005, nothing in the message, the reason in the log.
sub refuses
{
	my ($what, $reason, %setting) = @_;
	configure(%setting);
	my $from = -s $node->logfile;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$query");
	like($err, qr/ERROR:  TP005: the master key is not available\nHINT/, "$what: refused");
	unlike($err, qr/\Q$dir\E|\Q$hex\E|[0-9a-f]{16}/, "$what: neither path nor digits in the message");
	my $log = substr slurp_file($node->logfile), $from;
	like($log, $reason, "$what: the log says why");
	unlike($log, qr/[0-9a-f]{32}/i, "$what: no key in the log");
	return;
}

accepts('no line end', master_key_file => file('bare', $hex, 0600));
accepts('capitals and a DOS line end', master_key_file => file('dos', uc($hex) . "\r\n", 0600));
accepts('read only', master_key_file => file('readonly', "$hex\n", 0400));
accepts('a command', master_key_command => "cat $good");

refuses('group may read', qr/group or others/, master_key_file => file('group', "$hex\n", 0640));
refuses('others may write', qr/group or others/, master_key_file => file('others', "$hex\n", 0602));
refuses('no file', qr/cannot be opened/, master_key_file => "$dir/none");
refuses('a directory', qr/not a regular file/, master_key_file => $dir);
refuses('too short', qr/not exactly 64/, master_key_file => file('short', substr($hex, 2), 0600));
refuses('too long', qr/not exactly 64/, master_key_file => file('long', $hex . '00', 0600));
refuses('no hexadecimal digit', qr/not exactly 64/, master_key_file => file('letter', 'g' . substr($hex, 1), 0600));
refuses('empty', qr/not exactly 64/, master_key_file => file('empty', '', 0600));
refuses('another key', qr/./, master_key_file => $good, master_key_command => "cat $good");
refuses('nothing set', qr/Neither/);
refuses('a failing command', qr/command failed/, master_key_command => "cat $good; exit 3");
refuses('a missing command', qr/command failed/, master_key_command => "$dir/no-such-command");
refuses('a silent command', qr/not exactly 64/, master_key_command => 'true');
refuses('an endless command', qr/not exactly 64|command failed/, master_key_command => 'yes');

# Another machine's key: refused with its own words, and a pseudonym masked with it never appears.
configure(master_key_file => file('foreign', ('ab' x 32) . "\n", 0600));
my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$query");
like($err, qr/ERROR:  TP005: a pseudonym key cannot be unwrapped/, 'another master key opens nothing');

# A session that has the key goes on with it; new ones follow the file at once.
configure(master_key_file => $good);
is($node->safe_psql('postgres', $query), $value, 'the right key again');

# A standby reads the same keys with the same file, a rotation as soon as it is replayed.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', $query), $value, 'a standby makes the same pseudonym');
$node->safe_psql('postgres', q{SELECT twin_privacy.rotate_pseudonym_key('D')});
my $rotated = $node->safe_psql('postgres', $query);
isnt($rotated, $value, 'a rotated key makes another');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $query), $rotated, 'also on the standby');
$node->safe_psql('postgres', q{SELECT twin_privacy.destroy_pseudonym_key('D', 2, 'test')});
$node->wait_for_catchup($standby);
($rc, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$query");
like($err, qr/ERROR:  TP005:/, 'a destroyed key is gone there, too');

$standby->stop;
$node->stop;
done_testing();
