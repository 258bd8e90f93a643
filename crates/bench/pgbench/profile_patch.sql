-- What the server sends for PATCH /api/v1/profile: the row locked, the row and its event written, the commit; three
-- flushes. The server sends the value of every column; here a column that keeps its value is named as its own.
\if :due <= 0
\set number random(1, :users)
SELECT id FROM bench.users WHERE number = :number \gset
\set due 20
\endif
\set due :due - 1
\set visit random(1, 1000000000000000)

\startpipeline
BEGIN;
SELECT set_config('app.user_id', :id, true);
SELECT id, username, display_name, first_name, last_name, avatar_url, avatar_urls, email, email_verified, phone, bio,
       company, job_title, location, website, linkedin_username, github_username, twitter_username, timezone, language,
       public_profile, email_notifications, marketing_emails, preferences, created_at, updated_at, version
FROM app.profiles WHERE id = :id FOR UPDATE;
\endpipeline
\startpipeline
UPDATE app.profiles
SET username = username, display_name = display_name, first_name = first_name,
    last_name = last_name, avatar_url = avatar_url, avatar_urls = avatar_urls, email = email,
    email_verified = email_verified, phone = phone, bio = 'At the desk, visit ' || :visit, company = company,
    job_title = job_title, location = location, website = website, linkedin_username = linkedin_username,
    github_username = github_username, twitter_username = twitter_username, timezone = timezone, language = language,
    public_profile = public_profile, email_notifications = email_notifications, marketing_emails = marketing_emails,
    preferences = preferences, created_at = created_at, updated_at = now(), version = version + 1
WHERE id = :id;
INSERT INTO app.outbox (id, user_id, occurred_at, body)
VALUES (gen_random_uuid(), :id, now(), '{"type": "profile_updated", "version": 2, "changed": ["bio"]}');
\endpipeline
COMMIT;
