# The errors a newcomer makes, one by one: each message says what is wrong, and its
# hint what to do now.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('newcomer', preload => 0, conf => "log_min_messages = warning\n");
my $database = 'clinic';

# Runs SQL as a role; gives its messages, with SQLSTATE and hint.
sub messages
{
	my ($role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\n$sql", on_error_stop => 0, extra_params => [ '-U', $role ]);
	return $err;
}

# A mistake, the message it gets and the hint that leads on.
sub mistake
{
	my ($name, $role, $sql, $message, $hint) = @_;
	my $got = messages($role, $sql);
	like($got, $message, "$name: what is wrong") or diag($got);
	like($got, qr/HINT:  .*$hint/, "$name: what now") or diag($got);
	return;
}

# Forgot the preload.
$node->safe_psql('postgres', 'CREATE DATABASE clinic');
mistake('no preload', 'postgres', 'CREATE EXTENSION twin_privacy CASCADE', qr/TP005: twin_privacy must be loaded via shared_preload_libraries/,
	qr/Add twin_privacy to shared_preload_libraries and restart/);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_privacy'");
$node->restart;

# The wrong database, the wrong search_path, the wrong arguments, another's task.
mistake('no extension here', 'postgres', q{SELECT twin_privacy.bind_use('CARE')}, qr/3F000: schema "twin_privacy" does not exist/, qr/CREATE EXTENSION twin_privacy CASCADE/);
mistake('without CASCADE', 'postgres', 'CREATE EXTENSION twin_privacy', qr/required extension "pgcrypto" is not installed/, qr/CASCADE/);
$node->safe_psql('clinic', q{
	CREATE EXTENSION twin_privacy CASCADE;
	CREATE ROLE one LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE two LOGIN IN ROLE twin_privacy_officer;
	CREATE ROLE dba LOGIN IN ROLE twin_privacy_admin;
	CREATE ROLE registrar LOGIN IN ROLE twin_privacy_registrar;
	CREATE ROLE ana LOGIN;
	CREATE TABLE lab (patient_id int, value numeric, note text);
	CREATE TABLE device (id int, name text);
	CREATE TABLE visit (id int PRIMARY KEY, patient_id bigint);
	INSERT INTO lab SELECT i % 20, i, 'n' FROM generate_series(1, 60) i;
	INSERT INTO visit SELECT i, i FROM generate_series(1, 5) i;
	GRANT SELECT ON lab, visit, device TO ana;
	ALTER TABLE lab OWNER TO dba; ALTER TABLE device OWNER TO dba; ALTER TABLE visit OWNER TO dba});
mistake('search_path, function', 'ana', q{SELECT bind_use('CARE')}, qr/42883: function bind_use\(unknown\) does not exist/, qr/There is twin_privacy\.bind_use: write the schema/);
mistake('search_path, view', 'ana', 'SELECT * FROM my_uses', qr/42P01: relation "my_uses" does not exist/, qr/There is twin_privacy\.my_uses: write the schema/);
mistake('arguments', 'dba', q{SELECT twin_privacy.protect_table('lab', subject => 'patient_id')}, qr/42883: function twin_privacy\.protect_table/, qr/\\df\+ twin_privacy\.protect_table/);
unlike(messages('ana', 'SELECT my_own_report(1)'), qr/twin_privacy/, 'what is not ours gets no hint of ours');
unlike(messages('ana', 'SELECT * FROM nowhere'), qr/twin_privacy/, 'nor do tables');

# Protecting: no subject, no such category, a type that is no key, labels that do not fit.
mistake('no subject column', 'dba', q{SELECT twin_privacy.protect_table('device', subject => 'patient_id', category => 'laboratory')},
	qr/42703: the subject of "device" does not resolve: column "patient_id" does not exist/, qr/Name a column of the table, or a path such as/);
mistake('no unique path', 'dba', q{SELECT twin_privacy.protect_table('device', subject => 'id -> public.lab(patient_id).patient_id', category => 'laboratory')},
	qr/22023: .*is not unique/, qr/path such as .* through unique columns/);
mistake('unknown category', 'dba', q{SELECT twin_privacy.protect_table('lab', subject => 'patient_id', category => 'lab')},
	qr/22023: unknown category "lab"/, qr/Categories are: .*laboratory/);
mistake('no key', 'dba', q{SELECT twin_privacy.protect_table('lab', subject => 'value', category => 'laboratory')},
	qr/42804: subject column of "lab" has type numeric/, qr/bigint, int, uuid or text/);
mistake('not protected yet', 'dba', q{SELECT twin_privacy.label_column('lab', 'value', 'kind=plain')}, qr/55000: public\.lab is not protected/, qr/Protect it first with twin_privacy\.protect_table/);

# Data, but no consents: as many patients as that see nobody.
mistake('no consents', 'dba', q{SELECT twin_privacy.protect_table('lab', subject => 'patient_id', category => 'laboratory')},
	qr/NOTICE: .*: 20 of 20 patients in "lab" permit nothing yet, so nobody sees their rows/, qr/record_consent .*simulate_use/);
messages('registrar', q{SELECT twin_privacy.record_consent(i::text, 'permit', 'TREAT') FROM generate_series(0, 12) i});
messages('registrar', q{SELECT twin_privacy.record_consent('12', 'permit', 'HRESCH'); SELECT twin_privacy.record_consent('13', 'deny', 'TREAT'); SELECT twin_privacy.withdraw_all_consent('3', 'changed her mind')});
like(messages('dba', q{SELECT twin_privacy.protect_table('lab', subject => 'patient_id', category => 'laboratory')}), qr/NOTICE: .*: 8 of 20 patients/, 'a deny and a withdrawal are no permit');
is(messages('dba', q{SELECT twin_privacy.protect_table('device', subject => 'id', category => 'laboratory')}), '', 'an empty table is no surprise');
mistake('unknown kind', 'dba', q{SELECT twin_privacy.label_column('lab', 'value', 'kind=normal')}, qr/22023: column kind "normal" is not known/, qr/identifier, quasi, sensitive and plain/);
mistake('unfit mask', 'dba', q{SELECT twin_privacy.label_column('lab', 'value', 'mask=zip3')}, qr/42804: mask "zip3" does not fit column "value" of type numeric/, qr/band and round for numbers/);

# Binding: nothing, something unknown, and every way in which a use is not usable.
mistake('nothing bound, no use', 'ana', 'SELECT * FROM lab', qr/TP001: no approved use is bound/, qr/No use is open to role "ana": see twin_privacy\.my_uses, or ask a twin_privacy_officer/);
mistake('unknown purpose', 'one', q{SELECT twin_privacy.propose_use('X', purpose => 'RESEARCH', recipient => 'us', categories => '{laboratory}', disclosure => 'identified')},
	qr/22023: unknown purpose "RESEARCH"/, qr/twin_privacy\.purposes/);
mistake('unknown form', 'one', q{SELECT twin_privacy.propose_use('X', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'anonymized')},
	qr/22023: disclosure "anonymized" is not known/, qr/identified, pseudonymised, aggregate and private/);
messages('one', q{
	SELECT twin_privacy.propose_use('CARE', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('IMAGES', purpose => 'TREAT', recipient => 'us', categories => '{imaging}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('OLD', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified', valid => '[2020-01-01,2021-01-01)');
	SELECT twin_privacy.propose_use('LATER', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified', valid => '[2100-01-01,)');
	SELECT twin_privacy.propose_use('PROMISE', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified', statement => 'I promise.');
	SELECT twin_privacy.propose_use('WAITING', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('OTHERS', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('PAUSED', purpose => 'TREAT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('ADS', purpose => 'HMARKT', recipient => 'us', categories => '{laboratory}', disclosure => 'identified');
	SELECT twin_privacy.propose_use('STUDY', purpose => 'HRESCH', recipient => 'us', categories => '{laboratory}', disclosure => 'pseudonymised')});
mistake('own approval', 'one', q{SELECT twin_privacy.approve_use('CARE')}, qr/42501: use "CARE" needs another officer than its proposer/, qr/Ask a second person with twin_privacy_officer/);
is(messages('two', q{
	SELECT twin_privacy.approve_use(u) FROM unnest('{CARE,IMAGES,OLD,LATER,PROMISE,OTHERS,PAUSED,ADS,STUDY}'::text[]) u;
	SELECT twin_privacy.grant_use(u, 'ana') FROM unnest('{CARE,IMAGES,OLD,LATER,PROMISE,WAITING,PAUSED,ADS,STUDY}'::text[]) u;
	SELECT twin_privacy.suspend_use('PAUSED', 'incident 12');
	SELECT twin_privacy.prohibit_purpose('HMARKT', 'board decision')}), '', 'uses are set up');
mistake('nothing bound', 'ana', 'SELECT * FROM lab', qr/TP001/, qr/You could bind: CARE, IMAGES, STUDY\. Use twin_privacy\.bind_use\(code, justification\)/);
mistake('unknown use', 'ana', q{SELECT twin_privacy.bind_use('CAREFUL')}, qr/TP002: use "CAREFUL" does not exist/, qr/You could bind: CARE/);
mistake('unknown use, claimed', 'ana', q{SET twin_privacy.use = 'CAREFUL'; SELECT * FROM lab}, qr/TP002: use "CAREFUL" does not exist/, qr/You could bind: CARE/);
my %unusable = (
	OLD => [ qr/TP002: use "OLD" has expired/, qr/propose it anew/ ],
	LATER => [ qr/TP002: use "LATER" is not valid yet/, qr/Wait for its period/ ],
	PROMISE => [ qr/TP002: use "PROMISE" is not acknowledged by "ana"/, qr/acknowledge_use\('PROMISE'\)/ ],
	WAITING => [ qr/TP002: use "WAITING" is not approved/, qr/second twin_privacy_officer/ ],
	OTHERS => [ qr/TP002: use "OTHERS" is not granted to role "ana"/, qr/Ask a twin_privacy_officer to grant it\. You could bind: CARE/ ],
	PAUSED => [ qr/TP002: use "PAUSED" is suspended/, qr/Ask a twin_privacy_officer why/ ],
	ADS => [ qr/TP002: purpose "HMARKT" of use "ADS" is prohibited/, qr/see twin_privacy\.purposes for the reason/ ]);
for my $use (sort keys %unusable)
{
	mistake("$use, bound", 'ana', "SELECT twin_privacy.bind_use('$use')", @{ $unusable{$use} });
	mistake("$use, claimed", 'ana', "SET twin_privacy.use = '$use'; SELECT * FROM lab", @{ $unusable{$use} });
}
mistake('wrong category', 'ana', q{SELECT twin_privacy.bind_use('IMAGES'); SELECT * FROM lab}, qr/TP003: use "IMAGES" does not cover category "laboratory" of table "lab"/, qr/Bind a use that names the category/);
mistake('wrong purpose', 'ana', q{SELECT twin_privacy.bind_use('CARE'); SELECT twin_privacy.require_use('HRESCH')}, qr/TP003: .*purpose/, qr/\w+/);
mistake('a write', 'ana', q{SELECT twin_privacy.bind_use('STUDY'); CREATE TEMP TABLE mine AS SELECT * FROM lab}, qr/TP003/, qr/export/);
mistake('a materialized view', 'postgres', q{SET twin_privacy.maintenance = on; CREATE MATERIALIZED VIEW lab_copy AS SELECT * FROM lab}, qr/0A000|TP003/, qr/protected table/);
mistake('an emergency without one', 'ana', q{SELECT twin_privacy.break_glass('3', 'unconscious, alone')}, qr/TP002: no emergency use is granted to role "ana"/, qr/grant a use of purpose BTG/);
is($node->safe_psql($database, q{SET SESSION AUTHORIZATION ana; SET twin_privacy.use = 'CARE'; SELECT reason FROM twin_privacy.why('lab', '13') WHERE column_name IS NULL}),
	'no consent for the table\'s category "laboratory"', 'no row, and why() says why');

# Tasks of others: the hint names the role, for each function and view that not everybody may use.
my @theirs = split /\n/, $node->safe_psql($database, q{
	SELECT 'SELECT twin_privacy.' || p.proname || '(' || coalesce((SELECT string_agg('NULL::' || t::regtype, ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a(t, n)), '') || ')|' || p.proname
	  FROM pg_proc AS p WHERE p.pronamespace = 'twin_privacy'::regnamespace AND NOT has_function_privilege('ana', p.oid, 'EXECUTE')
	UNION ALL
	SELECT 'SELECT * FROM twin_privacy.' || c.relname || '|' || c.relname FROM pg_class AS c
	 WHERE c.relnamespace = 'twin_privacy'::regnamespace AND c.relkind = 'v' AND NOT has_table_privilege('ana', c.oid, 'SELECT') ORDER BY 1});
cmp_ok(scalar @theirs, '>', 50, 'there are tasks of others');
for (@theirs)
{
	my ($sql, $name) = split /\|/;
	my ($hint) = messages('ana', $sql) =~ /42501: .*\n.*HINT:  For twin_privacy\.\Q$name\E ask for membership in ([\w ]+)\./s;
	ok(defined $hint, "$name: the hint names the role (src/operations/hint.c)") or next;
	my @named = grep { $_ ne 'or' } split / /, $hint;
	my ($kind, $right) = $sql =~ /FROM/ ? ('table', 'SELECT') : ('function', 'EXECUTE');
	my $may = $node->safe_psql($database, $kind eq 'table'
		? "SELECT string_agg(r, ' ' ORDER BY r) FROM unnest('{twin_privacy_admin,twin_privacy_auditor,twin_privacy_officer,twin_privacy_registrar}'::text[]) r WHERE has_table_privilege(r, 'twin_privacy.$name', 'SELECT')"
		: "SELECT string_agg(r, ' ' ORDER BY r) FROM unnest('{twin_privacy_admin,twin_privacy_auditor,twin_privacy_officer,twin_privacy_registrar}'::text[]) r
			WHERE EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'twin_privacy'::regnamespace AND proname = '$name' AND has_function_privilege(r, oid, 'EXECUTE'))");
	is(join(' ', sort @named), $may, "$name: the right ones");
}

# The key: none named, or unreadable.
$node->append_conf('postgresql.conf', "twin_privacy.master_key_file = ''");
$node->reload;
$node->poll_query_until($database, q{SELECT current_setting('twin_privacy.master_key_file') = ''}) or die;
messages('one', q{SELECT twin_privacy.propose_use('KEYLESS', purpose => 'HRESCH', recipient => 'us', categories => '{laboratory}', disclosure => 'pseudonymised')});
mistake('no master key', 'two', q{SELECT twin_privacy.approve_use('KEYLESS')}, qr/TP005: .*master key/, qr/twin_privacy\.master_key_file/);
mistake('no master key, reading', 'ana', q{SET twin_privacy.use = 'STUDY'; SELECT * FROM lab}, qr/TP005: .*master key/, qr/twin_privacy\.master_key_file/);
like($node->safe_psql($database, q{SELECT state, detail FROM twin_privacy.status() WHERE check_name = 'master_key'}), qr/^error\|.*master key/, 'status says so, too');

# Forgot the preload after a restart: nothing is shown, and status says why.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql($database, 'SET SESSION AUTHORIZATION ana; SELECT count(*) FROM lab'), 0, 'without the library no row');
mistake('no preload any more', 'ana', q{SELECT twin_privacy.bind_use('CARE')}, qr/TP005: twin_privacy must be loaded/, qr/shared_preload_libraries/);
like($node->safe_psql($database, q{SELECT detail FROM twin_privacy.status() WHERE check_name = 'preload'}), qr/closed: add twin_privacy to shared_preload_libraries and restart/, 'status says what to do');
$node->stop;
done_testing();
