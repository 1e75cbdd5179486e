# audit_events() gives FHIR R4 AuditEvents that meet the IHE BALP profiles they
# name.  The checker reads the profiles themselves and is first tried on the
# official examples, whole and broken.
use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $balp = "$ENV{TWIN_PRIVACY_DATA}/fhir-audit-balp/json";
my $base = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/';

# Reads a JSON file.
sub read_json
{
	my ($path) = @_;
	return decode_json(slurp_file($path));
}

# The rules of a profile and of those it is derived from.
sub rules
{
	my ($url) = @_;
	return () if index($url, $base) != 0;
	my $profile = read_json("$balp/StructureDefinition-" . substr($url, length $base) . '.json');
	return (rules($profile->{baseDefinition}), @{ $profile->{differential}{element} });
}

# True when a value has everything a pattern asks for.
sub matches
{
	my ($value, $pattern) = @_;
	return 0 if !defined $value;
	if (ref $pattern eq 'HASH')
	{
		return 0 if ref $value ne 'HASH';
		return !grep { !matches($value->{$_}, $pattern->{$_}) } keys %$pattern;
	}
	if (ref $pattern eq 'ARRAY')
	{
		return 0 if ref $value ne 'ARRAY';
		return !grep { my $p = $_; !grep { matches($_, $p) } @$value } @$pattern;
	}
	return "$value" eq "$pattern";
}

# The pattern an element fixes, if any.
sub pattern_of
{
	my ($rule) = @_;
	my ($key) = grep { /^(?:pattern|fixed)[A-Z]/ } keys %$rule;
	return defined $key ? $rule->{$key} : undef;
}

# The values at a path below a value.
sub values_at
{
	my ($value, @path) = @_;
	return ref $value eq 'ARRAY' ? @$value : defined $value ? ($value) : () if !@path;
	my ($name, @rest) = @path;
	return map { ref $_ eq 'HASH' ? values_at($_->{$name}, @rest) : () } ref $value eq 'ARRAY' ? @$value : ($value);
}

# Lists what a resource lacks to meet its profile.
sub faults
{
	my ($resource) = @_;
	my @faults = map { "no $_" } grep { !defined $resource->{$_} } qw(type agent source recorded);
	push @faults, 'agent without requestor' if grep { !defined $_->{requestor} } @{ $resource->{agent} // [] };
	push @faults, 'source without observer' if !defined $resource->{source}{observer};
	push @faults, 'recorded is no instant' if ($resource->{recorded} // '') !~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
	for my $url (@{ $resource->{meta}{profile} // [] })
	{
		my @rules = rules($url);
		my %slice;
		# A slice is told by the pattern of its type (or its own).
		for my $rule (@rules)
		{
			my ($element, $name, $type) = $rule->{id} =~ /^AuditEvent\.(\w+):(\w+)(\.type)?$/ or next;
			next if !defined pattern_of($rule);
			$slice{"$element:$name"} = defined $type ? { type => pattern_of($rule) } : pattern_of($rule);
		}
		for my $rule (@rules)
		{
			my ($id) = $rule->{id} =~ /^AuditEvent\.(.*)$/ or next;
			my ($element, $slice, $path) = $id =~ /^(\w+)(?::(\w+))?(?:\.(.*))?$/ or next;
			my @at = values_at($resource->{$element});
			if (defined $slice)
			{
				next if !defined $slice{"$element:$slice"};
				@at = grep { matches($_, $slice{"$element:$slice"}) } @at;
			}
			for my $owner (defined $path ? @at : ([@at]))
			{
				my @found = defined $path ? values_at($owner, split /\./, $path) : @$owner;
				push @faults, "$id: " . @found . " of at least $rule->{min}" if @found < ($rule->{min} // 0);
				push @faults, "$id: " . @found . " of at most $rule->{max}"
				  if ($rule->{max} // '*') ne '*' && @found > $rule->{max};
				next if !defined pattern_of($rule) || defined $slice && !defined $path;
				push @faults, "$id: not as the profile fixes it" if grep { !matches($_, pattern_of($rule)) } @found;
			}
		}
	}
	return @faults;
}

# The checker: official examples pass, broken ones do not.
my @examples = grep { /auditBasicQuery|PrivacyDisclosure-source/ } glob "$balp/AuditEvent-ex-*.json";
cmp_ok(scalar @examples, '>=', 5, 'there are official examples');
for my $file (@examples)
{
	my $example = read_json($file);
	is_deeply([ faults($example) ], [], 'official example ' . $example->{id});
	for my $break (
		sub { delete $_[0]{outcome} }, sub { $_[0]{action} = 'D' }, sub { shift @{ $_[0]{agent} } },
		sub { $_[0]{type}{code} = 'x' }, sub { delete $_[0]{agent}[0]{network} }, sub { delete $_[0]{source} },
		sub { $_[0]{entity} = [ grep { $_->{type}{code} eq 'XrequestId' } @{ $_[0]{entity} } ] })
	{
		my $broken = decode_json(encode_json($example));
		$break->($broken);
		fail('a broken example passes: ' . encode_json($broken)) if !faults($broken);
	}
}

my $node = TwinPrivacy::Cluster->new_node('fhir');
$node->safe_psql('postgres', q{
	CREATE ROLE officer LOGIN; GRANT twin_privacy_officer TO officer;
	CREATE ROLE chief LOGIN; GRANT twin_privacy_officer TO chief;
	CREATE ROLE nurse LOGIN;
	CREATE TABLE patient (id int PRIMARY KEY, name text);
	INSERT INTO patient SELECT i, 'patient ' || i FROM generate_series(1, 10) i;
	SELECT twin_privacy.protect_table('patient', subject => 'id', category => 'demographics');
	GRANT SELECT ON patient TO nurse;
	SELECT twin_privacy.record_consent(i::text, decision => 'permit', purpose => 'TREAT') FROM generate_series(1, 5) i;
	SET SESSION AUTHORIZATION officer;
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'ward',
		categories => '{demographics}', disclosure => 'identified');
	SET SESSION AUTHORIZATION chief;
	SELECT twin_privacy.approve_use('CARE'), twin_privacy.grant_use('CARE', 'nurse')});
my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
$node->psql('postgres', q{
	SELECT name FROM patient;
	SET twin_privacy.use = 'CARE'; SET twin_privacy.actor = E'Nurse "Joy" \\\\ \\x02Müller';
	SELECT name FROM patient WHERE id < 4;
	SELECT name FROM patient WHERE id = 9;
	SELECT 1 / (id - 2) FROM patient WHERE id = 2}, extra_params => [ '-U', 'nurse' ], on_error_stop => 0);
my @events = map { decode_json($_) } split /\n/,
  $node->safe_psql('postgres', "SELECT twin_privacy.audit_events('$before')");
my %profile;
for my $event (@events)
{
	is_deeply([ faults($event) ], [], "event $event->{id}");
	my $profile = ($event->{meta}{profile} // ['plain'])->[0];
	$profile{ $profile =~ s/.*\.//r }++;
	ok(!exists $event->{$_}, "no $_ of other versions") for qw(code category severity patient outcome.code);
}
is_deeply(\%profile, { plain => 2, Query => 1, PatientQuery => 3 },
	'one for each patient of the first read, one for that of nobody, and what was refused or failed');
my ($event) = grep { ($_->{meta}{profile} // [''])->[0] =~ /PatientQuery/ } @events;
is($event->{agent}[2]{name}, 'Nurse "Joy" \\ ' . " M\x{fc}ller", 'names arrive as they are, but for control characters, which FHIR has none of');
is($event->{agent}[2]{altId}, 'nurse', 'with the login');
is($event->{entity}[1]{what}{identifier}{value}, '1', 'of whom');
is($event->{purposeOfEvent}[0]{coding}[0]{code}, 'TREAT', 'what for');
unlike(encode_json(\@events), qr/id < 4/, 'no text of the statement');
is($node->safe_psql('postgres', "SELECT count(*) FROM twin_privacy.audit_events(clock_timestamp())"), '0', 'none since now');

$node->stop;
done_testing();
