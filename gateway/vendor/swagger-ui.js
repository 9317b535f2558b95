// What the page uses of Swagger UI.
export { default as SwaggerUI } from "swagger-ui-dist/swagger-ui-es-bundle.js";
