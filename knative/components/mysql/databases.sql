-- One database for each service, and none reads another's. The user `airline` owns them all, which is enough for
-- trying out; a real installation gives each service a user of its own.
CREATE DATABASE reserve;
CREATE DATABASE flight_seats;
CREATE DATABASE payment;
CREATE DATABASE payment_provider;
CREATE DATABASE dashboard_projector;
CREATE DATABASE dead_letters;
GRANT ALL ON reserve.* TO airline;
GRANT ALL ON flight_seats.* TO airline;
GRANT ALL ON payment.* TO airline;
GRANT ALL ON payment_provider.* TO airline;
GRANT ALL ON dashboard_projector.* TO airline;
GRANT ALL ON dead_letters.* TO airline;
