import { Controller, Get, Module, NotFoundException, ServiceUnavailableException } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { API_ADAPTER_OPTIONS, configureApi } from './configure-api.js';
import type { ProblemDocument } from './problem.js';

@Controller()
class FailingController {
  @Get('bug')
  bug(): never {
    throw new Error('the password is hunter2');
  }

  @Get('gone')
  gone(): never {
    throw new NotFoundException('no such thing');
  }

  @Get('readyz')
  readyz(): never {
    throw new ServiceUnavailableException({ status: 'error', error: {}, details: { caches: { status: 'down' } } });
  }
}

@Module({ controllers: [FailingController] })
class FailingModule {}

let app: NestFastifyApplication;
beforeAll(async () => {
  const module = await Test.createTestingModule({ imports: [FailingModule] }).compile();
  app = module.createNestApplication(new FastifyAdapter(API_ADAPTER_OPTIONS), { logger: false });
  configureApi(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
});
afterAll(async () => {
  await app.close();
});

it('an error that nobody foresaw tells the caller nothing of itself', async () => {
  const response = await app.inject('/bug');
  expect(response.statusCode).toBe(500);
  expect(response.payload).not.toContain('hunter2');
  expect(response.json<ProblemDocument>().type).toBe('/problems/internal-error');
});

it('an error of the framework is a problem too', async () => {
  const response = await app.inject('/gone');
  expect(response.statusCode).toBe(404);
  expect(response.headers['content-type']).toContain('application/problem+json');
});

it('a probe that fails keeps its report, which names what is down', async () => {
  const response = await app.inject('/readyz');
  expect(response.statusCode).toBe(503);
  expect(response.json()).toHaveProperty('details.caches.status', 'down');
});
