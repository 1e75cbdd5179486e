# Without shared_preload_libraries nothing of the library works.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TwinPrivacy::Cluster;

my $node = TwinPrivacy::Cluster->new_node('bare', preload => 0);
my ($rc, $out, $err);

($rc, $out, $err) =
  $node->psql('postgres', "\\set VERBOSITY verbose\nCREATE EXTENSION twin_privacy CASCADE");
isnt($rc, 0, 'CREATE EXTENSION is refused');
like($err, qr/ERROR:  TP005: twin_privacy must be loaded via shared_preload_libraries/,
	'and says why');
like($err, qr/HINT:  Add twin_privacy to shared_preload_libraries/, 'and what to do');

($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nLOAD 'twin_privacy'");
like($err, qr/ERROR:  TP005:/, 'LOAD is refused');

# Installed while preloaded, then started without: every C function fails closed.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'twin_privacy'");
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION twin_privacy CASCADE');
my $functions = $node->safe_psql(
	'postgres', q{
	SELECT count(*) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	 WHERE l.lanname = 'c' AND p.probin LIKE '%twin_privacy'});
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
my $refused = $node->safe_psql(
	'postgres', q{
	CREATE TEMP TABLE outcome (state text);
	DO $$
	DECLARE f record;
	BEGIN
		FOR f IN SELECT p.oid::regprocedure::text AS name, p.proname, p.proargtypes FROM pg_proc p
			JOIN pg_language l ON l.oid = p.prolang
			WHERE l.lanname = 'c' AND p.probin LIKE '%twin_privacy'
		LOOP
			BEGIN
				-- Re-creating the function makes the server load the library, which is
				-- what every call of it has to do first.
				EXECUTE pg_get_functiondef(f.name::regprocedure);
				INSERT INTO outcome VALUES ('loaded');
			EXCEPTION WHEN SQLSTATE 'TP005' THEN
				INSERT INTO outcome VALUES ('refused');
			END;
		END LOOP;
	END $$;
	SELECT count(*) FROM outcome WHERE state = 'refused'});
is($refused, $functions, 'no C function loads without the preload');

$node->stop;
done_testing();
