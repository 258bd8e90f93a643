-- What the server sends for GET /api/v1/profile: the user, the row, no user; one flush.
-- A client keeps a user for twenty requests, so that drawing one costs next to nothing.
\if :due <= 0
\set number random(1, :users)
SELECT id FROM bench.users WHERE number = :number \gset
\set due 20
\endif
\set due :due - 1

\startpipeline
SELECT set_config('app.user_id', :id, false);
SELECT id, username, display_name, first_name, last_name, avatar_url, avatar_urls, email, email_verified, phone, bio,
       company, job_title, location, website, linkedin_username, github_username, twitter_username, timezone, language,
       public_profile, email_notifications, marketing_emails, preferences, created_at, updated_at, version
FROM app.profiles WHERE id = :id;
SELECT set_config('app.user_id', '', false);
\endpipeline
