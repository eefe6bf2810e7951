// The user of posts, on its own database only; said again at every start.
const server = connect('mongodb://127.0.0.1:27017/admin');
if (!server.auth('admin', '${SY_MONGODB_ADMIN}').ok) quit(1);
const posts = server.getSiblingDB('posts');
const rights = { pwd: '${SY_MONGODB_POSTS}', roles: [{ role: 'readWrite', db: 'posts' }] };
if (posts.getUser('posts')) posts.updateUser('posts', rights);
else posts.createUser({ user: 'posts', ...rights });
