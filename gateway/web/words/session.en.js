export default {
  signIn: "Sign in", signOut: (name) => `Sign out ${name}`, notSignedIn: (why) => `You could not be signed in. ${why}`,
};
