"use strict";

// A new listener walks from a cold start to slates of their own tastes, with nothing but palate's protos.

const { randomUUID } = require("node:crypto");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const PROTOS = path.join(__dirname, "..", "..", "protos");
const TASTES = 3; // how many genre clusters the listener likes
const ROUNDS = 4; // how often they listen before the account ends
const DEADLINE_MS = 10_000;

function load(...names) {
  const definition = protoLoader.loadSync(
    names.map((name) => `palate/v1/${name}.proto`),
    { includeDirs: [PROTOS], keepCase: true, longs: Number, enums: String, defaults: true },
  );
  return grpc.loadPackageDefinition(definition).palate.v1;
}

// Returns a function for each method of a service: it takes a request and promises the response.
function connect(Service, address) {
  const client = new Service(address, grpc.credentials.createInsecure());
  const call = (method) => (request) =>
    new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + DEADLINE_MS };
      client[method](request, options, (error, response) => (error ? reject(error) : resolve(response)));
    });
  const methods = Object.values(Service.service).map(({ originalName }) => [originalName, call(originalName)]);
  return { ...Object.fromEntries(methods), close: () => client.close() };
}

async function listen(address, userId) {
  const palate = load("recommendation", "feedback", "catalog", "profile");
  const services = {
    recommendations: connect(palate.RecommendationService, address),
    feedback: connect(palate.FeedbackService, address),
    catalog: connect(palate.CatalogService, address),
    profiles: connect(palate.ProfileService, address),
  };
  try {
    await account(userId, services);
  } finally {
    Object.values(services).forEach((service) => service.close());
  }
}

async function account(userId, { recommendations, feedback, catalog, profiles }) {
  const rated = new Set();
  const liked = new Set(); // genre clusters

  for (let round = 1; round <= ROUNDS; round += 1) {
    const slate = await recommendations.recommend({ user_id: userId });
    const tracks = await Promise.all(slate.items.map(({ track_id }) => catalog.getTrack({ track_id })));
    console.log(`\nSlate ${round}, by ${slate.strategy}, from profile revision ${slate.profile_revision}`);

    for (const [place, item] of slate.items.entries()) {
      const { track } = tracks[place];
      if (rated.has(track.track_id)) throw new Error(`${track.title} was recommended after it was rated`);
      if (liked.size < TASTES) liked.add(track.genre_cluster_id);
      const likes = liked.has(track.genre_cluster_id);
      console.log(`  ${likes ? "+" : "-"} ${track.title} by ${track.artists.join(", ")}: ${item.reason.sentence}`);
      await rate(feedback, {
        user_id: userId,
        track_id: track.track_id,
        verdict: likes ? "VERDICT_LIKE" : "VERDICT_DISLIKE",
        request_id: randomUUID(),
        recommendation_id: slate.recommendation_id,
      });
      rated.add(track.track_id);
    }
  }

  const { profile } = await profiles.getProfile({ user_id: userId });
  console.log(`\n${profile.user_id} has rated ${profile.interaction_count} tracks; stage ${profile.stage}`);
  for (const taste of profile.tastes.filter(({ likes }) => likes > 0)) {
    const { display_name, likes, dislikes, confidence } = taste;
    console.log(`  ${display_name}: ${likes} likes, ${dislikes} dislikes, confidence ${confidence.toFixed(2)}`);
  }
  if (profile.interaction_count !== rated.size) throw new Error(`${rated.size} tracks were rated`);
}

// Records a verdict twice: with the same request_id the second time changes nothing, so that retries are harmless.
async function rate(feedback, request) {
  const first = await feedback.recordFeedback(request);
  const second = await feedback.recordFeedback(request);
  if (first.profile_revision !== second.profile_revision) throw new Error("a repeated request counted twice");
}

const [address = "localhost:50051", userId = `node-${randomUUID()}`] = process.argv.slice(2);

listen(address, userId).catch((error) => {
  const status = grpc.status[error.code];
  console.error(status ? `${status}: ${error.details}` : error);
  process.exitCode = 1;
});
