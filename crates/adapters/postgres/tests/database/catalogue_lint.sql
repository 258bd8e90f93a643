-- Each row is a defect of the schema: an object, and why.
SELECT c.relname::text AS object, 'rls off or not forced' AS why FROM pg_class c
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL SELECT c.relname, 'no policy' FROM pg_class c
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p') AND c.relrowsecurity
    AND NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid)
UNION ALL SELECT tablename, 'policy shape: ' || policyname FROM pg_policies
    WHERE schemaname = 'app' AND (
        (cmd <> 'INSERT' AND coalesce(qual, '') !~ 'SELECT .*NULLIF\(current_setting')
        OR (cmd IN ('ALL', 'INSERT', 'UPDATE') AND coalesce(with_check, '') !~ 'SELECT .*NULLIF\(current_setting')
        OR 'public' = ANY (roles)
    )
UNION ALL SELECT p.tablename, 'more than one permissive policy for ' || c.cmd || ' to ' || r.role
    FROM pg_policies p
    CROSS JOIN LATERAL unnest(p.roles) AS r (role)
    CROSS JOIN LATERAL unnest(CASE WHEN p.cmd = 'ALL' THEN ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] ELSE ARRAY[p.cmd] END) AS c (cmd)
    WHERE p.schemaname = 'app' AND p.permissive = 'PERMISSIVE'
    GROUP BY p.tablename, c.cmd, r.role HAVING count(*) > 1
UNION ALL SELECT c.relname, 'view not security_invoker' FROM pg_class c
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind = 'v'
    AND NOT coalesce(array_to_string(c.reloptions, ',') ~ 'security_invoker=(true|on|1)', false)
UNION ALL SELECT p.proname, 'definer without search_path' FROM pg_proc p
    WHERE p.pronamespace = 'app'::regnamespace AND p.prosecdef
    AND NOT coalesce(array_to_string(p.proconfig, ',') ~ 'search_path=', false)
UNION ALL SELECT p.proname, 'function executable by PUBLIC' FROM pg_proc p
    WHERE p.pronamespace IN ('app'::regnamespace, 'system'::regnamespace)
    AND EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
UNION ALL SELECT a.attrelid::regclass::text, 'nullable user_id or timestamp without zone: ' || a.attname FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND c.relnamespace = 'app'::regnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped
    AND ((a.attname = 'user_id' AND NOT a.attnotnull) OR a.atttypid = 'timestamp'::regtype)
UNION ALL SELECT a.attrelid::regclass::text, 'user_id leads no index' FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND c.relnamespace = 'app'::regnamespace
    WHERE a.attname = 'user_id'
    AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum)
UNION ALL SELECT c.relname, a.privilege_type || ' granted to ' || a.grantee::regrole FROM pg_class c
    CROSS JOIN LATERAL aclexplode(c.relacl) a
    WHERE c.relnamespace = 'app'::regnamespace AND a.grantee <> c.relowner
    AND (a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') OR a.is_grantable OR a.grantee = 0)
UNION ALL SELECT c.relname, 'outside app, granted to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
    WHERE c.relnamespace = 'system'::regnamespace AND a.grantee <> c.relowner
UNION ALL SELECT r.rolname, 'runtime role too strong' FROM pg_roles r
    WHERE r.rolname IN ('frontdesk_app', 'frontdesk_worker') AND (
        r.rolsuper OR r.rolbypassrls OR r.rolcreatedb OR r.rolcreaterole
        OR EXISTS (SELECT 1 FROM pg_class c WHERE c.relowner = r.oid)
        OR EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid)
    )
