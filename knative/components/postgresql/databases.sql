-- One role and one database for each service: it owns that one, and may not even connect to another's. Run by psql as
-- `postgres` when the disk is empty, which knows the passwords from the environment.

\getenv password RESERVE_DATABASE_PASSWORD
CREATE ROLE reserve LOGIN PASSWORD :'password';
CREATE DATABASE reserve OWNER reserve;
REVOKE ALL ON DATABASE reserve FROM PUBLIC;

\getenv password FLIGHT_SEATS_DATABASE_PASSWORD
CREATE ROLE flight_seats LOGIN PASSWORD :'password';
CREATE DATABASE flight_seats OWNER flight_seats;
REVOKE ALL ON DATABASE flight_seats FROM PUBLIC;

\getenv password PAYMENT_DATABASE_PASSWORD
CREATE ROLE payment LOGIN PASSWORD :'password';
CREATE DATABASE payment OWNER payment;
REVOKE ALL ON DATABASE payment FROM PUBLIC;

\getenv password PROVIDER_DATABASE_PASSWORD
CREATE ROLE payment_provider LOGIN PASSWORD :'password';
CREATE DATABASE payment_provider OWNER payment_provider;
REVOKE ALL ON DATABASE payment_provider FROM PUBLIC;

\getenv password DASHBOARD_PROJECTOR_DATABASE_PASSWORD
CREATE ROLE dashboard_projector LOGIN PASSWORD :'password';
CREATE DATABASE dashboard_projector OWNER dashboard_projector;
REVOKE ALL ON DATABASE dashboard_projector FROM PUBLIC;

\getenv password DEAD_LETTERS_DATABASE_PASSWORD
CREATE ROLE dead_letters LOGIN PASSWORD :'password';
CREATE DATABASE dead_letters OWNER dead_letters;
REVOKE ALL ON DATABASE dead_letters FROM PUBLIC;

-- of the component notifications, where that is used
\unset password \getenv password NOTIFICATIONS_DATABASE_PASSWORD
\if :{?password}
CREATE ROLE notifications LOGIN PASSWORD :'password';
CREATE DATABASE notifications OWNER notifications;
REVOKE ALL ON DATABASE notifications FROM PUBLIC;
\endif

REVOKE ALL ON DATABASE postgres FROM PUBLIC;
-- no password opens the server as a whole: from here on `kubectl exec statefulset/postgres -- psql -U postgres`
ALTER ROLE postgres PASSWORD NULL;
