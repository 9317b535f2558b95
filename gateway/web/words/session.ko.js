export default {
  signIn: "로그인", signOut: (name) => `${name} 로그아웃`, notSignedIn: (why) => `로그인하지 못했습니다. ${why}`,
};
