"""Why a part of the suite may be left out."""

NO_MARIADB = "no MariaDB server is installed here; Debian: apt-get install mariadb-server-core mariadb-client-core"
