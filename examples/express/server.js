const express = require('express');
const os = require('node:os');

const app = express();
app.use(express.json({ limit: '1mb' }));
app.use(express.static('public'));

app.get('/api/hello', (request, response) => {
  console.log(`hello to ${request.query.name ?? 'the world'}`);
  response.json({ message: `Hello, ${request.query.name ?? 'world'}!`, host: os.hostname() });
});

app.post('/api/echo', (request, response) => response.json(request.body));

app.get('/api/stream', async (_request, response) => {
  response.type('text/plain');
  for (let line = 1; line <= 5; line += 1) {
    response.write(`line ${line}\n`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  response.end();
});

const server = app.listen(process.env.PORT ?? 3000, () => console.log(`listening on ${server.address().port}`));
process.on('SIGTERM', () => server.close());
