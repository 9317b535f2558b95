# shellcheck shell=bash
# One user and one database for each service: it owns that one and sees no other. Read by the image's own entry script when
# the disk is empty; docker_process_sql is a function there, and the passwords are in the environment.

owner_of() {
  local name=$1 password=$2
  password=${password//\\/\\\\} # a backslash escapes in MySQL
  password=${password//\'/\'\'}
  docker_process_sql <<<"CREATE DATABASE $name;
    CREATE USER '$name'@'%' IDENTIFIED BY '$password';
    GRANT ALL ON $name.* TO '$name'@'%';"
}

owner_of reserve "${RESERVE_DATABASE_PASSWORD:?}"
owner_of flight_seats "${FLIGHT_SEATS_DATABASE_PASSWORD:?}"
owner_of payment "${PAYMENT_DATABASE_PASSWORD:?}"
owner_of payment_provider "${PROVIDER_DATABASE_PASSWORD:?}"
owner_of dashboard_projector "${DASHBOARD_PROJECTOR_DATABASE_PASSWORD:?}"
owner_of dead_letters "${DEAD_LETTERS_DATABASE_PASSWORD:?}"
if [ -n "${NOTIFICATIONS_DATABASE_PASSWORD:-}" ]; then # of the component notifications, where that is used
  owner_of notifications "$NOTIFICATIONS_DATABASE_PASSWORD"
fi
