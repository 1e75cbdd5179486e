# Every block of doc/keys.md runs, in order, and comes out as it says.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('runbooks', conf => "twin_privacy.master_key_file = ''\n");
my $keys = $node->basedir . '/keys';
my $bin = $node->basedir . '/bin';
mkdir $_, 0700 or die "$_: $!" for $keys, $bin;

# Stand-ins for key managers that this machine need not have: they print the key
# when called exactly as the page says, and nothing else.
sub stand_in
{
	my ($name, $arguments) = @_;
	append_to_file("$bin/$name", qq{#!/bin/sh\n[ "\$*" = "$arguments" ] || { echo "unexpected: \$*" >&2; exit 1; }\ncat "$keys/master.key"\n});
	chmod 0700, "$bin/$name";
	return;
}
stand_in('age', "--decrypt --identity $keys/identity.txt $keys/master.age");
stand_in('vault', 'kv get -field=master_key secret/twin_privacy');

# The server must find them as the page's commands would.
$node->stop;
{
	local $ENV{PATH} = "$bin:$ENV{PATH}";
	$node->start;
}

local $ENV{KEYS} = $keys;
local $ENV{PGDATA} = $node->data_dir;
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';

my ($heading, $n) = ('', 0);
my @blocks;
my $block;
for (split /\n/, slurp_file("$ENV{TWIN_PRIVACY_SRC}/doc/keys.md"))
{
	($heading, $n) = ($1, 0) if !defined $block && /^## (.*)/;
	if (/^```sh$/) { $block = ''; next; }
	if (/^```$/ && defined $block)
	{
		push @blocks, [ $heading . ' ' . ++$n, $block ];
		undef $block;
		next;
	}
	$block .= "$_\n" if defined $block;
}
cmp_ok(scalar @blocks, '>=', 10, 'the page has its blocks');

for (@blocks)
{
	my ($name, $script) = @$_;
	# The envelopes of the disaster are those of the key then in use.
	if ($name eq 'Disaster: another machine 2')
	{
		my $key = slurp_file("$keys/lost");
		my $share = slurp_file("$keys/envelope.1");
		chomp($key, $share);
		unlink "$keys/envelope.2";
		append_to_file("$keys/envelope.2", unpack('H*', pack('H*', $key) ^ pack('H*', $share)) . "\n");
	}
	my $file = $node->basedir . '/block.sh';
	unlink $file;
	# A reload reaches the postmaster, and through it new backends, a moment later.
	append_to_file($file, q{set -eu
psql() { command psql -X -q -v ON_ERROR_STOP=1 "$@" || return; case "$*" in *pg_reload_conf*) sleep 1 ;; esac; }
} . $script);
	ok(run_log([ 'bash', $file ]), $name);
}

$node->stop;
done_testing();
