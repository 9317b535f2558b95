-- One database for each service, and none reads another's. The user `airline` owns them all, which is enough for
-- trying out; a real installation gives each service a user of its own.
CREATE DATABASE reserve;
CREATE DATABASE flight_seats;
CREATE DATABASE payment;
CREATE DATABASE payment_provider;
CREATE DATABASE dashboard_projector;
CREATE DATABASE dead_letters;
